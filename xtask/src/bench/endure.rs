//! A large cloud under many clients for minutes: errors, times and memory. Written to `bench/ENDURANCE.md`.
//!
//! Real time on whatever machine it is. Half of the clients look at pages, the others ask for a few rows among many; every
//! tenth call changes something.

use std::{
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Cloud, plain::Connection, sample};
use crate::workspace::{Done, Mode, generated, say};

/// Machines of the cloud; one account for every hundred.
const MACHINES: usize = 100_000;
/// Clients, each with a connection of its own.
const CLIENTS: usize = 32;
/// How often memory is looked at.
const LOOKS: u32 = 12;
/// One call in so many changes something.
const CHANGE_EVERY: usize = 10;
/// The setting that is changed, and the least that it is changed to.
const CHANGED: &str = "expunge.interval";
const SECONDS_MIN: usize = 60;

/// What clients ask for, in turn.
const READS: [(&str, &[(&str, &str)]); 6] = [
    ("listVirtualMachines", &[("listall", "true"), ("page", "3"), ("pagesize", "100")]),
    ("listVirtualMachines", &[("listall", "true"), ("state", "Stopped"), ("page", "1"), ("pagesize", "20")]),
    ("listVirtualMachines", &[("listall", "true"), ("name", "app-54321")]),
    ("listVirtualMachines", &[("listall", "true"), ("keyword", "app-777"), ("page", "1"), ("pagesize", "20")]),
    ("listVolumes", &[("listall", "true"), ("type", "ROOT"), ("page", "1"), ("pagesize", "20")]),
    ("listZones", &[]),
];

/// What has happened so far.
#[derive(Default)]
struct Tally {
    calls: AtomicUsize,
    errors: AtomicUsize,
    is_over: AtomicBool,
    first_error: Mutex<Option<String>>,
    slowest: Mutex<Duration>,
}

/// Runs for so many minutes and writes the page.
#[expect(clippy::disallowed_methods, reason = "figures are of real time")]
pub(crate) fn run(minutes: &str) -> Done {
    let minutes: u32 = minutes.parse().map_err(|_| format!("`{minutes}` is no number of minutes"))?;
    let cloud = Cloud::start(MACHINES)?;
    cloud.connection()?.call("listZones", &[])?;
    let filled = cloud.resident_megabytes()?;
    let tally = Tally::default();
    let connections = (0..CLIENTS).map(|_| cloud.connection()).collect::<Done<Vec<_>>>()?;
    let mut memory = Vec::new();
    let began = Instant::now();
    thread::scope(|scope| {
        for (number, connection) in connections.into_iter().enumerate() {
            let tally = &tally;
            scope.spawn(move || work(connection, number, tally));
        }
        let watched: Done = (0..LOOKS).try_for_each(|_| {
            thread::sleep(Duration::from_secs(60) * minutes / LOOKS);
            memory.push(cloud.resident_megabytes()?);
            Ok(())
        });
        tally.is_over.store(true, Ordering::Relaxed);
        watched
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let (calls, errors) = (tally.calls.load(Ordering::Relaxed), tally.errors.load(Ordering::Relaxed));
    let shown: Vec<String> = memory.iter().map(|megabytes| format!("{megabytes:.0}")).collect();
    let mut page = "# Endurance\n\nWritten by `cargo run --release --package xtask -- endure MINUTES` on 2 shared cores; cloud and clients run on them together. Errors and memory are the point; how many calls a second there are says more about what else the machine was doing.\n\n| | |\n| --- | ---: |\n".to_owned();
    let slowest = *tally.slowest.lock().unwrap_or_else(PoisonError::into_inner);
    let rate = f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / seconds;
    let rows = [
        format!("| machines, clients, minutes | {MACHINES}, {CLIENTS}, {minutes} |"),
        format!("| calls, of them failed | {calls}, {errors} |"),
        format!("| calls a second; one in {CHANGE_EVERY} changes something, the others list | {rate:.0} |"),
        format!("| slowest call, with {CLIENTS} in flight | {} |", sample::shown(slowest)),
        format!("| resident memory before the calls | {filled:.0} MB |"),
        format!("| and {LOOKS} times during them | {} MB |", shown.join(", ")),
    ];
    for row in rows {
        say(&row)?;
        let _ = writeln!(page, "{row}");
    }
    let failed = tally.first_error.lock().unwrap_or_else(PoisonError::into_inner).take();
    failed.map_or(Ok(()), |error| Err(format!("{errors} calls failed; the first: {error}")))?;
    generated("bench/ENDURANCE.md", &page, Mode::Write, "endure")
}

#[expect(clippy::disallowed_methods, reason = "figures are of real time")]
fn work(mut connection: Connection, number: usize, tally: &Tally) {
    let value = (SECONDS_MIN + number).to_string();
    let mut turn = number;
    while !tally.is_over.load(Ordering::Relaxed) {
        turn += 1;
        let began = Instant::now();
        let called = if turn.is_multiple_of(CHANGE_EVERY) {
            connection.call("updateConfiguration", &[("name", CHANGED), ("value", &value)])
        } else {
            let (command, arguments) = READS.get(turn % READS.len()).copied().unwrap_or(("listZones", &[]));
            connection.call(command, arguments)
        };
        let took = began.elapsed();
        tally.calls.fetch_add(1, Ordering::Relaxed);
        let mut slowest = tally.slowest.lock().unwrap_or_else(PoisonError::into_inner);
        *slowest = took.max(*slowest);
        drop(slowest);
        if let Err(error) = called {
            tally.errors.fetch_add(1, Ordering::Relaxed);
            tally.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }
}
