//! What the jobs of a command say they work on: a type, and the object where servers name it.

/// The table: command, type or `-`, `id` or `-`.
const TABLE: &str = include_str!("../data/jobs.tsv");

/// What a job says it works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    /// The type, where there is one.
    pub(crate) kind: Option<&'static str>,
    /// Whether the object is named.
    pub(crate) named: bool,
}

/// What servers were seen to say for a command.
pub(crate) fn seen(command: &str) -> Option<Instance> {
    let mut rows = TABLE.lines().filter_map(|line| line.strip_prefix(command)?.strip_prefix('\t')?.split_once('\t'));
    rows.next().map(|(kind, id)| Instance { kind: Some(kind).filter(|kind| *kind != "-"), named: id == "id" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_name_their_object_as_servers_do() {
        assert_eq!(seen("startVirtualMachine"), Some(Instance { kind: Some("VirtualMachine"), named: true }));
        assert_eq!(seen("createAffinityGroup"), Some(Instance { kind: Some("AffinityGroup"), named: false }));
        assert_eq!(seen("createTags"), Some(Instance { kind: None, named: false }));
        assert_eq!(seen("start"), None);
    }
}
