//! Recordings of real servers against the embedded cloud: figures by scenario, differences, and the reduced test data.

use std::{collections::BTreeMap, fs, io::Write as _, path::Path};

use cloudstack_api::catalog::Release;
use cloudstack_sim::replay::{Ratchet, Recording, Replayer, Secrets, Tally, in_order};

use crate::workspace::{Done, read_unpacked, root, say};

/// The recordings of which the test data is made: the release's line and its folder.
const SOURCES: [(&str, &str); 2] = [("4.20", "../shared/recordings/4.20.3.0"), ("4.22", "../shared/recordings/4.22.1.0")];
/// Where the test data is.
const DATA: &str = "crates/cloudstack-sim/tests/data/recordings";
/// How many differences are told where nobody says.
const DIFFERENCES_DEFAULT: usize = 200;

/// What a replay was asked for.
struct Wanted<'a> {
    release: Release,
    folders: Vec<&'a str>,
    only: Option<&'a str>,
    differences: usize,
    as_json: bool,
}

/// Runs the task.
pub(crate) fn run(words: &[&str]) -> Done {
    match words {
        ["reduce"] => SOURCES.iter().try_for_each(|(line, folder)| reduce(line, folder)),
        ["ratchet"] => SOURCES.iter().try_for_each(|(line, folder)| ratchet(line, folder)),
        [release, rest @ ..] => replay(&wanted(release, rest)?),
        [] => Err("say a release and one or more folders of recordings".to_owned()),
    }
}

fn wanted<'a>(release: &str, words: &[&'a str]) -> Done<Wanted<'a>> {
    let release: Release = release.parse().map_err(|error| format!("{error}"))?;
    let mut wanted = Wanted { release, folders: Vec::new(), only: None, differences: DIFFERENCES_DEFAULT, as_json: false };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().ok_or_else(|| format!("`{word}` takes a value"));
        match *word {
            "--only" => wanted.only = Some(value()?),
            "--differences" => wanted.differences = value()?.parse().map_err(|_| "`--differences` takes a number".to_owned())?,
            "--output" => wanted.as_json = value()? == "json",
            folder => wanted.folders.push(folder),
        }
    }
    if wanted.folders.is_empty() { Err("say one or more folders of recordings".to_owned()) } else { Ok(wanted) }
}

fn replay(wanted: &Wanted<'_>) -> Done {
    let mut folders = wanted.folders.iter().map(|folder| recordings(folder)).collect::<Done<Vec<_>>>()?;
    let all: Vec<Recording> = folders.iter().flatten().cloned().collect();
    let mut replayer = Replayer::new(line_of(wanted.release)?, &all);
    let mut tally = Tally::default();
    for (folder, recordings) in wanted.folders.iter().zip(folders.iter_mut()) {
        if let Ok(known) = fs::read_to_string(root().join(folder).join("ids.json")) {
            replayer.learn_before(&known);
        }
        tally.verdicts.extend(recordings.iter().flat_map(|recording| replayer.play(recording)));
    }
    if let Some(only) = wanted.only {
        tally.verdicts.retain(|verdict| verdict.scenario == only);
    }
    if wanted.as_json {
        return say(&tally.json().to_string());
    }
    let mut text = tally.text();
    for verdict in tally.different().take(wanted.differences) {
        text.push('\n');
        text.push_str(&verdict.line());
    }
    say(&text)
}

/// The newest patch of the release's line, which is what the embedded cloud speaks.
fn line_of(release: Release) -> Done<Release> {
    release.line_name().parse().map_err(|error| format!("{error}"))
}

/// The recordings of a folder in the order in which they were made.
fn recordings(folder: &str) -> Done<Vec<Recording>> {
    let path = root().join(folder);
    let entries = fs::read_dir(&path).map_err(|error| format!("cannot read `{folder}`: {error}"))?;
    let names = entries.filter_map(|entry| entry.ok()?.path().to_str().map(str::to_owned));
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".jsonl.gz") || name.ends_with(".jsonl")).collect();
    names.sort_unstable();
    let mut recordings = Vec::with_capacity(names.len());
    for name in names {
        let bytes = read_unpacked(&name)?;
        let text = String::from_utf8(bytes).map_err(|error| format!("`{name}`: {error}"))?;
        recordings.push(Recording::parse(&text).map_err(|error| format!("`{name}`: {error}"))?);
    }
    in_order(&mut recordings);
    Ok(recordings)
}

fn reduce(line: &str, folder: &str) -> Done {
    let mut secrets = Secrets::default();
    let target = root().join(DATA).join(line);
    fs::create_dir_all(&target).map_err(|error| format!("cannot make `{}`: {error}", target.display()))?;
    for recording in recordings(folder)? {
        let name = format!("{}.jsonl.gz", recording.scenario);
        write_packed(&target.join(&name), &recording.reduced(&mut secrets)).map_err(|error| format!("cannot write `{name}`: {error}"))?;
    }
    Ok(())
}

fn write_packed(path: &Path, text: &str) -> std::io::Result<()> {
    // The builder writes no name and no time: the same recordings make the same bytes.
    let mut packed = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
    packed.write_all(text.as_bytes())?;
    fs::write(path, packed.finish()?)
}

/// Renews the list of known differences: lines go, their reasons stay. A list that is not there yet is made.
fn ratchet(line: &str, folder: &str) -> Done {
    let recordings = recordings(folder)?;
    let release: Release = line.parse().map_err(|error| format!("{error}"))?;
    let mut replayer = Replayer::new(release, &recordings);
    let tally = Tally { verdicts: recordings.iter().flat_map(|recording| replayer.play(recording)).collect() };
    let path = root().join(DATA).join(format!("differences-{line}.tsv"));
    let present = fs::read_to_string(&path).ok();
    let known = Ratchet::parse(present.as_deref().unwrap_or_default());
    let shift = known.shift(&tally);
    if present.is_some() && !shift.new.is_empty() {
        return Err(format!("the list of {line} may only shrink; these answers were equal before:\n{}", shift.new.join("\n")));
    }
    fs::write(&path, known.renewed(&tally)).map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    let by_scenario: BTreeMap<String, String> = tally.figures().into_iter().map(|figure| (figure.scenario.clone(), figure.percent())).collect();
    say(&format!("{line}: {} %, {} lines gone, {} new\n{by_scenario:?}", tally.total().percent(), shift.gone.len(), shift.new.len()))
}
