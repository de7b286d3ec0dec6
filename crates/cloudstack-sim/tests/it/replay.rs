//! Recorded exchanges with real servers, played against the embedded cloud: the figures, and a list of known
//! differences that may only shrink.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use cloudstack_sim::replay::{Ratchet, Recording, Replayer, Tally, in_order};

/// The reduced recordings.
fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recordings")
}

/// The full recordings, where they are.
fn shared(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings").join(name)
}

fn recordings(folder: &Path) -> Vec<Recording> {
    let mut recordings: Vec<Recording> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "gz"))
        .map(|path| {
            let mut text = String::new();
            flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
            Recording::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect();
    in_order(&mut recordings);
    recordings
}

fn replayed(line: &str, folder: &Path) -> Tally {
    let recordings = recordings(folder);
    let mut replayer = Replayer::new(line.parse().unwrap(), &recordings);
    Tally { verdicts: recordings.iter().flat_map(|recording| replayer.play(recording)).collect() }
}

/// Plays a release and holds it against its list.
fn hold(line: &str, full: &str) {
    let full = shared(full);
    let tally = replayed(line, &if full.exists() { full } else { data().join(line) });
    println!("replay of {line}\n{}", tally.text());
    let list = format!("differences-{line}.tsv");
    let known = Ratchet::parse(&fs::read_to_string(data().join(&list)).unwrap_or_default());
    let shift = known.shift(&tally);
    assert!(shift.new.is_empty(), "answers that differ from a real server's now and are not on `{list}`:\n{}", shift.new.join("\n"));
    println!("{} lines of `{list}` are equal now; `cargo xtask replay ratchet` drops them", shift.gone.len());
}

#[test]
fn what_a_4_20_server_answered_is_answered_alike() {
    hold("4.20", "4.20.3.0");
}

#[test]
fn what_a_4_22_server_answered_is_answered_alike() {
    hold("4.22", "4.22.1.0");
}
