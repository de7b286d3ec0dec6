//! What a command is about: the kind that its reply or its siblings show, and the objects that its arguments name.

use std::sync::Arc;

use cloudstack_api::catalog::{Catalog, Command, ParameterType};

use super::{PLAIN, entity_of, verb};
use crate::{
    turn::Turn,
    world::{Content, Handle, KindId, World, parse_id},
};

/// First words of commands whose reply shows the kind that their siblings work on.
const TELLING: [&str; 4] = ["list", "create", "add", "register"];
/// Shapes that lists show under another name.
const ALIASES: [(&str, &str); 2] = [("BaremetalPxeKickStartResponse", "BaremetalPxeResponse"), ("BaremetalPxePingResponse", "BaremetalPxeResponse")];
/// How arguments that hold ids as texts end.
const ID_ENDINGS: [&str; 2] = ["uuid", "id"];

/// The name of the kind that a shape stands for.
pub(super) fn kind_name(shape: &str) -> &str {
    let entity = entity_of(shape);
    ALIASES.iter().find(|(alias, _)| *alias == entity).map_or(entity, |(_, name)| name)
}

/// The command that shows what a command is about: itself, or one of the same noun.
pub(super) fn teller(command: &Arc<Command>, catalog: &Catalog) -> Option<Arc<Command>> {
    let own = (command.shape != PLAIN).then(|| Arc::clone(command));
    // What takes an object away may show what it was taken off.
    if own.is_some() && !verb::is_taking(&command.name) {
        return own;
    }
    let noun = verb::noun(&command.name);
    let plural = noun.strip_suffix('y').map_or_else(|| format!("{noun}s"), |stem| format!("{stem}ies"));
    let names = TELLING.iter().flat_map(|word| [format!("{word}{plural}"), format!("{word}{noun}")]);
    names.filter_map(|name| catalog.command(&name)).find(|sibling| sibling.shape != PLAIN).or(own)
}

/// The kind that a command is about, if the world has it.
pub(super) fn kind(turn: &Turn<'_>) -> Option<KindId> {
    let command = teller(&turn.command, &turn.server.catalog)?;
    let listed = turn.world.lists.get(command.name.as_str()).copied();
    listed.or_else(|| turn.world.kind_of_entity(kind_name(&command.shape)))
}

/// The objects that a call is about: `ids`, `id`, or those of the kind that other arguments name.
pub(super) fn targets(turn: &Turn<'_>, kind: Option<KindId>) -> Vec<Handle> {
    if let Some(several) = turn.arguments.objects("ids").filter(|several| !several.is_empty()) {
        return several.to_vec();
    }
    target(turn, kind).into_iter().collect()
}

/// The object that a call is about: `id`, an argument that names one of the kind, else the only one that must be named.
pub(super) fn target(turn: &Turn<'_>, kind: Option<KindId>) -> Option<Handle> {
    if let Some(object) = turn.arguments.object("id") {
        return Some(object);
    }
    let required = || turn.command.parameters.iter().filter(|parameter| parameter.required);
    let named = || required().filter(|parameter| parameter.kind == ParameterType::Uuid).filter_map(|parameter| turn.arguments.object(&parameter.name));
    let of_kind = named().find(|object| Some(object.kind) == kind);
    let spelled = || required().filter_map(|parameter| by_text(turn, &parameter.name)).find(|object| Some(object.kind) == kind);
    of_kind.or_else(spelled).or_else(|| {
        let mut named = named();
        named.next().filter(|_| named.next().is_none())
    })
}

/// The object whose id an argument holds that servers take as text.
pub(super) fn by_text(turn: &Turn<'_>, name: &str) -> Option<Handle> {
    if !ID_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return None;
    }
    turn.arguments.text(name).and_then(parse_id).and_then(|id| turn.world.by_id(id))
}

/// Whether a required argument holds an id as text that nothing has.
pub(super) fn is_lost(turn: &Turn<'_>) -> bool {
    let required = turn.command.parameters.iter().filter(|parameter| parameter.required && parameter.kind == ParameterType::String);
    let mut names = required.map(|parameter| parameter.name.as_str()).filter(|name| name.ends_with(ID_ENDINGS[0]));
    names.any(|name| by_text(turn, name).is_none())
}

/// The rows of a kind that show what the required arguments say; none where they don't show all of them.
pub(super) fn matching(turn: &Turn<'_>, kind: KindId) -> Vec<Handle> {
    let Some(description) = turn.world.description(kind) else { return Vec::new() };
    let required = turn.command.parameters.iter().filter(|parameter| parameter.required);
    let shown = required.map(|parameter| {
        let member = description.member(turn.world.known_key(&parameter.name)?)?;
        Some((member, turn.arguments.text(&parameter.name)?))
    });
    let Some(wanted) = shown.collect::<Option<Vec<_>>>().filter(|wanted| !wanted.is_empty()) else { return Vec::new() };
    let fits = |row: &Handle| wanted.iter().all(|(member, text)| turn.world.member_is(*row, *member, turn.viewer(), text) == Some(true));
    turn.world.rows(kind).filter(fits).collect()
}

/// A kind without behaviour whose rows refer to an object, if there is one.
pub(super) fn user_of(world: &World, target: Handle) -> Option<&str> {
    let kinds = (0..=u16::MAX).map(KindId).map_while(|id| world.description(id).map(|kind| (id, kind)));
    for (id, kind) in kinds.filter(|(_, kind)| kind.generic) {
        let fields: Vec<_> = kind.fields().collect();
        let refers = |row: Handle| fields.iter().any(|field| world.datum(row, *field) == Some(Content::Link(target)));
        if world.rows(id).any(refers) {
            return Some(&kind.resource);
        }
    }
    None
}
