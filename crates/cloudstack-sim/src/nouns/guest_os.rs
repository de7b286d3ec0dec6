//! Families of operating systems that people add. The systems themselves and what hypervisors call them are elsewhere.

use super::recipe::{self, Put, Recipe, change, make, take};
use crate::{refusal::Refusal, turn::Turn, world::Handle};

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("addOsCategory", "oscategory", PUTS).checked(name_is_free),
    change("updateOsCategory", "id", PUTS).checked(name_is_free),
    take("deleteOsCategory", "id").checked(|turn, category| match category {
        Some(category) if recipe::users(turn.world, category, &[("ostype", "category")]) > 0 => {
            Err(Refusal::invalid(format!("Cannot delete OS category {} as there are OS types in it", turn.world.string(category, "name"))))
        }
        _ => Ok(()),
    }),
];

const PUTS: &[Put] = &[Put::Text("name"), Put::Flag("isfeatured"), Put::Number("sortkey")];

fn name_is_free(turn: &Turn<'_>, category: Option<Handle>) -> Result<(), Refusal> {
    let Some(name) = turn.arguments.text("name") else { return Ok(()) };
    match turn.world.find("oscategory", "name", name).filter(|found| Some(*found) != category) {
        Some(_) => Err(Refusal::invalid(format!("Guest OS category with name {name} already exists"))),
        None => Ok(()),
    }
}
