//! When machines start and stop by themselves.
//!
//! A schedule knows the next time at which it is due; whoever looks at the world after that time finds it done,
//! at its time, however many times passed unseen. Time zones with names are taken for UTC.

use std::time::Duration;

use time::OffsetDateTime;

use super::{
    Tables, appliance,
    recipe::{Put, Recipe, change, make},
};
use crate::{
    dates, events,
    jobs::Chore,
    kind::{CREATED, Constant, ID, Noun, linked, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Content, Handle, World},
};

/// The seconds of a minute and of a day.
const MINUTE_SECONDS: i64 = 60;
const DAY_SECONDS: i64 = 86_400;
/// How far ahead a next time is looked for: what comes less often than once in four years never comes.
const DAYS_AHEAD: i64 = 4 * 366;
/// The least and the most of each place of a cron expression, and what errors call it.
const CRON: &[(&str, u32, u32)] = &[("MinuteOfHour", 0, 59), ("HourOfDay", 0, 23), ("DayOfMonth", 1, 31), ("MonthOfYear", 1, 12), ("DayOfWeek", 0, 7)];
/// What can be done at a time.
const ACTIONS: [&str; 5] = ["START", "STOP", "REBOOT", "FORCE_STOP", "FORCE_REBOOT"];
/// Where a schedule notes when it is due, in seconds since 1970.
const NEXT: &str = "nextrun";

/// When to start or stop a machine.
pub(crate) const NOUN: Noun = Noun {
    word: "vmschedule",
    entities: &["VMScheduleResponse"],
    resource: "VMSchedule",
    owned: true,
    keywords: &["description"],
    newest_first: false,
    view: &[
        ID,
        linked("virtualmachineid", "vm", "id"),
        own("description"),
        own("schedule"),
        own("timezone"),
        own("action"),
        own_or("enabled", Constant::Flag(true)),
        own("startdate"),
        own("enddate"),
        CREATED,
    ],
};

/// The command that needs code.
pub(super) const TABLES: Tables = Tables { handlers: &[("deleteVMSchedule", delete)], filters: &[] };

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("createVMSchedule", NOUN.word, PUTS).owned_through("virtualmachineid").checked(is_right).then(|turn, schedule| {
        if turn.world.text(schedule, "startdate").is_none() {
            // Without a start of its own a schedule begins with the next minute.
            let next = turn.world.now + Duration::from_secs(60);
            turn.world.set(schedule, "startdate", cloudstack_api::clock::timestamp(next));
        }
        wind(turn.world, schedule);
        Ok(())
    }),
    change("updateVMSchedule", "id", PUTS).checked(is_right).then(|turn, schedule| {
        wind(turn.world, schedule);
        Ok(())
    }),
];

const PUTS: &[Put] = &[
    Put::Link("virtualmachineid", "vm"),
    Put::Text("description"),
    Put::Text("schedule"),
    Put::Text("timezone"),
    Put::Capital("action"),
    Put::Flag("enabled"),
    Put::Text("startdate"),
    Put::Text("enddate"),
];

fn is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let date = |name: &str| turn.arguments.text(name).and_then(dates::parse);
    if date("startdate").zip(date("enddate")).is_some_and(|(start, end)| start > end) {
        return Err(Refusal::invalid("Invalid value for end date: it should be after the start date"));
    }
    let Some(cron) = turn.arguments.text("schedule") else { return Ok(()) };
    let places: Vec<&str> = cron.split_whitespace().collect();
    if places.len() != CRON.len() {
        return Err(Refusal::argument(format!("Cron expression must consist of {} fields (found {} in \"{cron}\")", CRON.len(), places.len())));
    }
    for (place, (word, least, most)) in places.iter().zip(CRON) {
        let numbers = place.split([',', '-', '/']).filter_map(|part| part.parse::<u32>().ok());
        if let Some(wrong) = numbers.into_iter().find(|number| !(*least..=*most).contains(number)) {
            let text = format!("Invalid value for {word} (valid values {least} - {most}): {wrong} '{place}' in cron expression \"0 {cron}\"");
            return Err(Refusal::argument(text));
        }
    }
    match turn.arguments.text("action").map(str::to_uppercase) {
        Some(action) if !ACTIONS.contains(&action.as_str()) => Err(Refusal::invalid(format!("Invalid value for action: {action}"))),
        _ => Ok(()),
    }
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    let several = turn.arguments.objects("ids").unwrap_or_default().to_vec();
    let chosen: Vec<Handle> = several.into_iter().chain(turn.arguments.object("id")).filter(|row| turn.world.link(*row, "vm") == Some(vm)).collect();
    if chosen.is_empty() {
        return Err(Refusal::invalid("Either id or ids parameter must be specified"));
    }
    chosen.into_iter().for_each(|row| turn.world.remove(row));
    Ok(Outcome::Success)
}

/// Whether a number is among those that a place of a cron expression names.
fn holds(place: &str, number: u32, (least, most): (u32, u32)) -> bool {
    place.split(',').any(|part| {
        let (range, step) = part.split_once('/').map_or((part, 1), |(range, step)| (range, step.parse().unwrap_or(1).max(1)));
        let (from, to) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (least, most),
            (_, Some((from, to))) => (from.parse().unwrap_or(most), to.parse().unwrap_or(least)),
            (one, None) => {
                let Ok(from) = one.parse() else { return false };
                (from, if part.contains('/') { most } else { from })
            }
        };
        (from..=to).contains(&number) && (number - from).is_multiple_of(step)
    })
}

/// The first time after another that a cron expression names, in seconds since 1970.
fn next(cron: &str, after: i64) -> Option<i64> {
    let places: Vec<&str> = cron.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays] = places.as_slice() else { return None };
    let bounds = |at: usize| CRON.get(at).map_or((0, 0), |(_, least, most)| (*least, *most));
    let first = after.div_euclid(MINUTE_SECONDS) + 1;
    for day in 0..DAYS_AHEAD {
        let midnight = ((first * MINUTE_SECONDS).div_euclid(DAY_SECONDS) + day) * DAY_SECONDS;
        let date = OffsetDateTime::from_unix_timestamp(midnight).ok()?.date();
        let weekday = u32::from(date.weekday().number_days_from_sunday());
        let is_weekday = holds(weekdays, weekday, bounds(4)) || weekday == 0 && holds(weekdays, 7, bounds(4));
        if !is_weekday || !holds(days, u32::from(date.day()), bounds(2)) || !holds(months, u32::from(u8::from(date.month())), bounds(3)) {
            continue;
        }
        let minute_of = |minute: &i64| u32::try_from(*minute).unwrap_or_default();
        let fits = |minute: &i64| holds(hours, minute_of(minute) / 60, bounds(1)) && holds(minutes, minute_of(minute) % 60, bounds(0));
        let found = (0..DAY_SECONDS / MINUTE_SECONDS).filter(fits).map(|minute| midnight + minute * MINUTE_SECONDS).find(|at| *at >= first * MINUTE_SECONDS);
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The cron expression behind a policy's time: minute, hour and day as servers write them, for an interval from hourly to monthly.
fn cron_of(interval: &str, time: &str) -> Option<String> {
    let mut parts = time.split(':');
    let minute = parts.next()?;
    let mut part = || parts.next().unwrap_or("0");
    Some(match interval {
        "HOURLY" => format!("{minute} * * * *"),
        "DAILY" => format!("{minute} {} * * *", part()),
        // Weeks begin on Sunday, which is their first day.
        "WEEKLY" => format!("{minute} {} * * {}", part(), part().parse::<u32>().ok()?.checked_sub(1)?),
        "MONTHLY" => format!("{minute} {} {} * *", part(), part()),
        _ => return None,
    })
}

/// Plans the next time of a policy, and lets it come; a plan that was made before is void.
pub(super) fn plan(world: &mut World, policy: Handle, (interval, time): (&str, &str), chore: Chore) {
    let now = i64::try_from(world.now.as_secs()).unwrap_or(i64::MAX);
    let Some(due) = cron_of(interval, time).and_then(|cron| next(&cron, now)) else { return world.unset(policy, NEXT) };
    world.set(policy, NEXT, due);
    let at = Duration::from_secs(u64::try_from(due).unwrap_or_default());
    world.due(at.saturating_sub(world.now), chore, policy);
}

/// Whether this is the time that a policy was last planned for.
pub(super) fn is_time(world: &World, policy: Handle) -> bool {
    let now = i64::try_from(world.now.as_secs()).unwrap_or(i64::MAX);
    world.is_alive(policy) && matches!(world.field(policy, NEXT), Some(Content::Number(due)) if due == now)
}

/// Notes when a schedule is due next.
fn wind(world: &mut World, schedule: Handle) {
    let now = i64::try_from(world.now.as_secs()).unwrap_or(i64::MAX);
    let start = world.text(schedule, "startdate").and_then(dates::parse).unwrap_or(now);
    let due = world.text(schedule, "schedule").and_then(|cron| next(cron, now.max(start - 1)));
    let ends = world.text(schedule, "enddate").and_then(dates::parse);
    let before = world.field(schedule, NEXT).and_then(|content| if let Content::Number(before) = content { Some(before) } else { None });
    match due.filter(|due| ends.is_none_or(|ends| *due <= ends)) {
        Some(due) => {
            world.set(schedule, NEXT, due);
            if before != Some(due) {
                announce(world, schedule, due);
            }
        }
        None => world.unset(schedule, NEXT),
    }
}

/// Tells for when a schedule has planned its next run.
fn announce(world: &mut World, schedule: Handle, due: i64) {
    let Some(vm) = world.link(schedule, "vm") else { return };
    let action = world.string(schedule, "action");
    let time = cloudstack_api::clock::timestamp(Duration::from_secs(u64::try_from(due).unwrap_or_default()));
    let text = format!("{} is planned for {time}. Id: {}", action.to_lowercase().replace('_', " "), world.id(vm));
    events::happened(world, vm, &event_type(&action), ("INFO", "Scheduled", &text));
}

fn event_type(action: &str) -> String {
    format!("VM.SCHEDULE.{}", action.replace('_', "."))
}

/// The schedule that is due first, and when.
pub(crate) fn first_due(world: &World) -> Option<(Duration, Handle)> {
    let due = |schedule: Handle| match world.field(schedule, NEXT) {
        Some(Content::Number(due)) => u64::try_from(due).ok().map(|due| (Duration::from_secs(due), schedule)),
        _ => None,
    };
    let works =
        |schedule: &Handle| world.field(*schedule, "enabled") != Some(Content::Flag(false)) && world.link(*schedule, "vm").is_some_and(|vm| world.is_alive(vm));
    world.rows(world.kind(NOUN.word)).filter(works).filter_map(due).min()
}

/// Does what a schedule says for the time that has come.
pub(crate) fn keep_time(world: &mut World, schedule: Handle) {
    let action = world.string(schedule, "action");
    if let Some(vm) = world.link(schedule, "vm") {
        act(world, vm, &action);
    }
    wind(world, schedule);
}

fn act(world: &mut World, vm: Handle, action: &str) {
    let runs = world.text(vm, "state") == Some("Running");
    match action {
        "START" if world.text(vm, "state") == Some("Stopped") => {
            appliance::start(world, vm);
        }
        "STOP" | "FORCE_STOP" if runs => super::vm::power_off(world, vm),
        "REBOOT" | "FORCE_REBOOT" if runs => {
            let stamp = world.timestamp();
            world.set(vm, "lastupdated", stamp);
        }
        // A machine that is where it should be, or on its way, is left alone.
        _ => return,
    }
    let text = format!("Successfully completed {} of a schedule. Id: {}", action.to_lowercase().replace('_', " "), world.id(vm));
    events::happened(world, vm, &event_type(action), ("INFO", "Completed", &text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cron_expression_names_the_next_time() {
        let at = |text: &str| dates::parse(text).unwrap();
        // 2026-11-22 is a Sunday.
        let now = at("2026-11-22T16:18:30+0000");
        assert_eq!(next("* * * * *", now), Some(at("2026-11-22T16:19:00+0000")));
        assert_eq!(next("0 22 * * *", now), Some(at("2026-11-22T22:00:00+0000")));
        assert_eq!(next("30 1 * * 1-5", now), Some(at("2026-11-23T01:30:00+0000")));
        assert_eq!(next("*/20 9-17 1 1 *", now), Some(at("2027-01-01T09:00:00+0000")));
        assert_eq!(next("0 0 * * 7", now), Some(at("2026-11-29T00:00:00+0000")));
        assert_eq!(next("0 0 31 2 *", now), None);
    }
}
