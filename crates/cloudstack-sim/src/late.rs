//! Whose an object is, where a server finds that out only when the job runs.
//!
//! Most commands refuse what belongs to others at once. The parameters that are looked at late are rows of a table: the
//! call of a stranger is taken, and its job fails.

use crate::{
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
};

/// The table: command, parameters; a `-` before a parameter says that nobody ever looks whose its object is.
const TABLE: &str = include_str!("../data/late.tsv");

/// When a server looks whose a parameter's object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Before anything is done.
    AtOnce,
    /// When the job runs.
    Late,
    /// Never: something else than the object's owner decides.
    Never,
}

/// When a command looks at the owner of a parameter's object.
pub(crate) fn look(command: &str, parameter: &str) -> Look {
    let mut rows = TABLE.lines().filter_map(|line| line.strip_prefix(command)?.strip_prefix('\t'));
    let listed = rows.next().unwrap_or_default().split(',');
    let mut looks = listed.filter_map(|known| match known.strip_prefix('-') {
        Some(known) => (known == parameter).then_some(Look::Never),
        None => (known == parameter).then_some(Look::Late),
    });
    looks.next().unwrap_or(Look::AtOnce)
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
    fn only_parameters_of_the_table_are_looked_at_late_or_never() {
        assert_eq!(look("assignToLoadBalancerRule", "virtualmachineids"), Look::Late);
        assert_eq!(look("updateProject", "userid"), Look::Never);
        assert_eq!(look("updateProject", "id"), Look::Late);
        assert_eq!(look("stopVirtualMachine", "id"), Look::AtOnce);
        assert_eq!(look("assign", "id"), Look::AtOnce);
    }
}
