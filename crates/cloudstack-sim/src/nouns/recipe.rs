//! Commands that need no code of their own: which argument becomes which field, what stands where nothing was said,
//! and what is checked before.
//!
//! A file of a kind lists its [`Recipe`]s beside its handlers; one function answers them all. What a recipe cannot say
//! in data it says in its `check`, before anything changes, or in its `then`, when the job's time has come.

use crate::{
    kind::Constant,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// What may refuse a call, given the object that it is about, if there is one yet.
pub(super) type Check = fn(&Turn<'_>, Option<Handle>) -> Result<(), Refusal>;

/// What else happens when the work is done.
pub(super) type Then = fn(&mut Turn<'_>, Handle) -> Result<(), Refusal>;

/// How a field comes to its value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Put {
    /// The argument as text; the field has its name.
    Text(&'static str),
    /// The argument in capital letters.
    Capital(&'static str),
    /// The argument in small letters.
    Small(&'static str),
    /// The argument as a whole number.
    Number(&'static str),
    /// The argument as a whole number, or another where it is missing.
    NumberOr(&'static str, &'static str),
    /// The argument as a truth value.
    Flag(&'static str),
    /// The argument as text, under another name.
    Named(&'static str, &'static str),
    /// The object that the argument names, under a name.
    Link(&'static str, &'static str),
    /// The objects that the argument names, under a name.
    Links(&'static str, &'static str),
    /// What the object that the argument names refers to, under the same name.
    Through(&'static str, &'static str),
    /// Text if nothing was said.
    Or(&'static str, Constant),
    /// Always the same.
    Fixed(&'static str, Constant),
    /// The entries of a map as one object.
    Entries(&'static str, &'static str),
    /// The `name` and `value` of a map's records as one object.
    Pairs(&'static str, &'static str),
    /// Gone.
    Gone(&'static str),
}

/// What a command does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Makes an object.
    Make,
    /// Changes the object that an argument names and shows it.
    Change(&'static str),
    /// Changes the object that an argument names and says only that it worked.
    Quietly(&'static str),
    /// Takes the object away that an argument names.
    Take(&'static str),
}

/// A command in data.
pub(super) struct Recipe {
    /// The command.
    pub(super) command: &'static str,
    kind: &'static str,
    deed: Deed,
    puts: &'static [Put],
    owner: Option<&'static str>,
    silent: bool,
    check: Option<Check>,
    then: Option<Then>,
}

/// A command that makes an object of a kind.
pub(super) const fn make(command: &'static str, kind: &'static str, puts: &'static [Put]) -> Recipe {
    Recipe { command, kind, deed: Deed::Make, puts, owner: None, silent: false, check: None, then: None }
}

/// A command that changes the object which an argument names.
pub(super) const fn change(command: &'static str, target: &'static str, puts: &'static [Put]) -> Recipe {
    Recipe { command, kind: "", deed: Deed::Change(target), puts, owner: None, silent: false, check: None, then: None }
}

/// A command that changes the object which an argument names and says only that it worked.
pub(super) const fn quietly(command: &'static str, target: &'static str, puts: &'static [Put]) -> Recipe {
    Recipe { command, kind: "", deed: Deed::Quietly(target), puts, owner: None, silent: false, check: None, then: None }
}

/// A command that takes the object away which an argument names.
pub(super) const fn take(command: &'static str, target: &'static str) -> Recipe {
    Recipe { command, kind: "", deed: Deed::Take(target), puts: &[], owner: None, silent: false, check: None, then: None }
}

impl Recipe {
    /// The object belongs to the owner of the one that an argument names.
    pub(super) const fn owned_through(mut self, argument: &'static str) -> Self {
        self.owner = Some(argument);
        self
    }

    /// The id is told only by the job's result.
    pub(super) const fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Refused before anything changes unless this agrees: at once where something is made or the command is no job, else
    /// by the job, as servers do.
    pub(super) const fn checked(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// When the work is done, this happens too; before an object goes, for commands that take one away.
    pub(super) const fn then(mut self, then: Then) -> Self {
        self.then = Some(then);
        self
    }
}

/// Answers a command that is a recipe.
pub(super) fn answer(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some(recipe) = super::recipe(&turn.command.name) else { return Err(Refusal::unknown_command()) };
    match recipe.deed {
        Deed::Make => cook(turn, recipe),
        Deed::Change(target) | Deed::Quietly(target) | Deed::Take(target) => {
            let target = turn.target(target)?;
            if turn.command.is_async { Ok(turn.job(target, WORK_SHORT, move |turn| serve(turn, recipe, target))) } else { serve(turn, recipe, target) }
        }
    }
}

fn cook(turn: &mut Turn<'_>, recipe: &'static Recipe) -> Result<Outcome, Refusal> {
    if let Some(check) = recipe.check {
        check(turn, None)?;
    }
    let kind = turn.world.kind(recipe.kind);
    let owned = turn.world.description(kind).is_some_and(|kind| kind.owned);
    let through = recipe.owner.and_then(|argument| turn.arguments.object(argument)).and_then(|object| turn.world.owner(object));
    let owner = match through {
        Some(owner) => Some(owner),
        None if owned => Some(turn.new_owner()?),
        None => None,
    };
    let made = turn.world.insert(kind, owner, &[]);
    recipe.puts.iter().for_each(|put| apply(turn, made, *put));
    let finish = move |turn: &mut Turn<'_>| {
        if let Some(then) = recipe.then
            && let Err(refusal) = then(turn, made)
        {
            turn.world.remove(made);
            return Err(refusal);
        }
        Ok(Outcome::Object(made))
    };
    match (turn.command.is_async, recipe.silent) {
        (false, _) => finish(turn),
        (true, false) => Ok(turn.making(made, WORK_SHORT, finish)),
        (true, true) => Ok(turn.job(made, WORK_SHORT, finish)),
    }
}

fn serve(turn: &mut Turn<'_>, recipe: &'static Recipe, target: Handle) -> Result<Outcome, Refusal> {
    if !turn.world.is_alive(target) {
        return Err(Refusal::invalid(format!("Unable to find the object with id {}", World::internal_number(target))));
    }
    if let Some(check) = recipe.check {
        check(turn, Some(target))?;
    }
    recipe.puts.iter().for_each(|put| apply(turn, target, *put));
    if let Some(then) = recipe.then {
        then(turn, target)?;
    }
    Ok(match recipe.deed {
        Deed::Take(_) => {
            turn.world.remove(target);
            Outcome::Success
        }
        Deed::Quietly(_) => Outcome::Success,
        Deed::Make | Deed::Change(_) => Outcome::Object(target),
    })
}

/// Writes a field.
pub(super) fn apply(turn: &mut Turn<'_>, target: Handle, put: Put) {
    match put {
        Put::Fixed(field, constant) => turn.world.set(target, field, datum(constant)),
        Put::Or(field, constant) => {
            if turn.world.field(target, field).is_none() {
                turn.world.set(target, field, datum(constant));
            }
        }
        Put::Gone(field) => turn.world.unset(target, field),
        other => {
            if let Some((field, value)) = given(turn, other) {
                turn.world.set(target, field, value);
            }
        }
    }
}

fn given(turn: &Turn<'_>, put: Put) -> Option<(&'static str, Datum)> {
    let arguments = &turn.arguments;
    Some(match put {
        Put::Text(name) => (name, arguments.text(name)?.into()),
        Put::Capital(name) => (name, arguments.text(name)?.to_uppercase().into()),
        Put::Small(name) => (name, arguments.text(name)?.trim().to_lowercase().into()),
        Put::Number(name) => (name, arguments.number(name)?.into()),
        Put::NumberOr(name, other) => (name, arguments.number(name).or_else(|| arguments.number(other))?.into()),
        Put::Flag(name) => (name, arguments.truth(name)?.into()),
        Put::Named(name, field) => (field, arguments.text(name)?.into()),
        Put::Link(name, field) => (field, arguments.object(name)?.into()),
        Put::Links(name, field) => (field, Datum::Links(arguments.objects(name)?.into())),
        Put::Through(name, field) => (field, turn.world.link(arguments.object(name)?, field)?.into()),
        Put::Entries(name, field) => (field, serde_json::json!(Some(arguments.merged(name)).filter(|entries| !entries.is_empty())?).into()),
        Put::Pairs(name, field) => {
            let pair = |record: &crate::arguments::Entry| Some((record.get("name")?.clone(), record.get("value").cloned().unwrap_or_default().into()));
            let pairs: serde_json::Map<String, serde_json::Value> = arguments.records(name).filter_map(pair).collect();
            (field, serde_json::Value::Object(Some(pairs).filter(|pairs| !pairs.is_empty())?).into())
        }
        Put::Or(..) | Put::Fixed(..) | Put::Gone(_) => return None,
    })
}

fn datum(constant: Constant) -> Datum {
    match constant {
        Constant::Text(text) => text.into(),
        Constant::Number(number) => number.into(),
        Constant::Flag(flag) => flag.into(),
        Constant::Empty => serde_json::Value::Array(Vec::new()).into(),
        Constant::Raw(text) => serde_json::from_str::<serde_json::Value>(text).unwrap_or_default().into(),
    }
}

/// How many objects refer to one, by kinds and the fields by which they do.
pub(super) fn users(world: &World, target: Handle, kinds: &[(&str, &str)]) -> usize {
    kinds.iter().map(|(kind, field)| world.referring(kind, field, target).count()).sum()
}

/// Objects of a row as JSON, as lists nested in an answer show them.
pub(super) fn nested(world: &World, rows: impl Iterator<Item = Handle>, viewer: crate::kind::Viewer) -> crate::kind::Shown {
    let mut json = crate::json::Json::default();
    json.open_array();
    rows.for_each(|row| world.render(row, viewer, &mut json));
    json.close_array();
    crate::kind::Shown::Raw(json.into_text())
}

/// How texts name an object: its kind in CloudStack's word, number, name and id.
pub(super) fn said(world: &World, word: &str, object: Handle) -> String {
    format!("{word} {{\"id\":{},\"name\":\"{}\",\"uuid\":\"{}\"}}", World::internal_number(object), world.string(object, "name"), world.id(object))
}
