//! The events that the set-up of a server leaves, as far as it is known: what its first admin did before anybody else came.

use super::{Datum, Handle, World};

/// What was done: a type, its phases as `data/events.tsv` spells them, the resource, the kind of its object, how often.
const STEPS: &[(&str, &str, &str, &str, usize)] = &[
    ("USER.LOGIN", "D", "User", "", 1),
    ("ZONE.CREATE", "D", "Zone", "zone", 1),
    ("PHYSICAL.NETWORK.CREATE", "MQBD", "PhysicalNetwork", "physicalnetwork", 1),
    ("TRAFFIC.TYPE.CREATE", "mQBD", "TrafficType", "traffictype", 3),
    ("SERVICE.PROVIDER.UPDATE", "qbd", "PhysicalNetworkServiceProvider", "", 3),
    ("PHYSICAL.NETWORK.UPDATE", "QBD", "PhysicalNetwork", "physicalnetwork", 1),
    ("POD.CREATE", "D", "Pod", "pod", 1),
    ("VLAN.IP.RANGE.CREATE", "d", "Vlan", "", 1),
    ("TRAFFIC.TYPE.CREATE", "m", "TrafficType", "", 1),
    ("ZONE.EDIT", "D", "Zone", "zone", 1),
    ("REGISTER.USER.KEY", "D", "User", "", 1),
];

/// Writes the events of the set-up.
pub(super) fn seed(world: &mut World) {
    let (Some(admin), Some(system)) = (world.find("account", "name", "admin"), world.find("account", "name", "system")) else { return };
    let user = world.find("user", "username", "admin");
    for (kind, phases, resource, word, times) in STEPS {
        let rows: Vec<Handle> = match *word {
            "" => Vec::new(),
            word => world.rows(world.kind(word)).take(*times).collect(),
        };
        for time in 0..*times {
            let object = if *resource == "User" { user } else { rows.get(time).copied() };
            step(world, (admin, system), (kind, phases, resource), object);
        }
    }
}

fn step(world: &mut World, (admin, system): (Handle, Handle), (kind, phases, resource): (&str, &str, &str), object: Option<Handle>) {
    let mut parent: Option<String> = None;
    for letter in phases.chars() {
        let (state, owner) = match letter.to_ascii_lowercase() {
            'm' => ("Created", admin),
            'q' => ("Scheduled", system),
            'b' => ("Started", admin),
            _ => ("Completed", admin),
        };
        let mut fields: Vec<(&str, Datum)> = vec![
            ("username", "admin".into()),
            ("type", kind.into()),
            ("level", "INFO".into()),
            ("description", format!("Setting up: {}", kind.to_lowercase().replace('.', " ")).into()),
            ("state", state.into()),
            ("resourcetype", resource.into()),
        ];
        if let Some(object) = object.filter(|_| letter.is_ascii_uppercase()) {
            fields.push(("resource", object.into()));
        }
        if let Some(parent) = &parent {
            fields.push(("parentid", parent.as_str().into()));
        }
        let event = world.insert(world.kind("event"), Some(owner), &fields);
        if parent.is_none() && matches!(letter.to_ascii_lowercase(), 'm' | 'q') {
            parent = Some(world.id(event));
        }
    }
}
