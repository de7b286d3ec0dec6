//! What the jobs of a command say they work on: a type, and the object where servers name it.

/// The table: command, type or `-`, `id` or `-`, and `makes` where the object is made before the job begins.
const TABLE: &str = include_str!("../data/jobs.tsv");

/// What a job says it works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    /// The type, where there is one.
    pub(crate) kind: Option<&'static str>,
    /// Whether the object is named.
    pub(crate) named: bool,
    /// Whether the command makes its object at once and leaves the rest to the job.
    pub(crate) makes: bool,
}

/// What servers were seen to say for a command.
pub(crate) fn seen(command: &str) -> Option<Instance> {
    let mut rows = TABLE.lines().filter_map(|line| line.strip_prefix(command)?.strip_prefix('\t'));
    let mut columns = rows.next()?.split('\t');
    let (kind, id, makes) = (columns.next()?, columns.next()?, columns.next());
    Some(Instance { kind: Some(kind).filter(|kind| *kind != "-"), named: id == "id", makes: makes == Some("makes") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_name_their_object_as_servers_do() {
        assert_eq!(seen("startVirtualMachine"), Some(Instance { kind: Some("VirtualMachine"), named: true, makes: false }));
        assert_eq!(seen("createAffinityGroup"), Some(Instance { kind: Some("AffinityGroup"), named: false, makes: true }));
        assert_eq!(seen("createTags"), Some(Instance { kind: None, named: false, makes: false }));
        assert_eq!(seen("start"), None);
    }
}
