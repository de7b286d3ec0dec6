//! Whose an object is, where a server finds that out only when the job runs.
//!
//! Most commands refuse what belongs to others at once. The parameters that are looked at late are rows of a table: the
//! call of a stranger is taken, and its job fails.

use crate::{
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
};

/// The table: command, parameters.
const TABLE: &str = include_str!("../data/late.tsv");

/// Whether a command looks at the owner of a parameter's object only in its job.
pub(crate) fn is_checked_late(command: &str, parameter: &str) -> bool {
    let mut rows = TABLE.lines().filter_map(|line| line.strip_prefix(command)?.strip_prefix('\t'));
    rows.next().is_some_and(|parameters| parameters.split(',').any(|known| known == parameter))
}

/// A job that fails because its object belongs to somebody else.
pub(crate) fn refuse(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let subject = turn.command.parameters.iter().find_map(|parameter| turn.arguments.object(&parameter.name)).unwrap_or(turn.caller.account);
    Ok(turn.job(subject, WORK_SHORT, |_| Err(Refusal::permission())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parameters_of_the_table_are_looked_at_late() {
        assert!(is_checked_late("assignToLoadBalancerRule", "virtualmachineids"));
        assert!(!is_checked_late("stopVirtualMachine", "id"));
        assert!(!is_checked_late("assign", "id"));
    }
}
