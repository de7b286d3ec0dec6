//! Our words: every command and parameter is described, and what the words promise is so.

use std::collections::{BTreeMap, BTreeSet};

use cloudstack_api::{
    call::check,
    catalog::{Catalog, Risk},
};
use serde_json::Value;

use crate::{catalogs, none, table};

/// The most characters of a description; clients cut longer ones.
const TEXT_CHARACTERS_MAX: usize = 2000;
/// The most characters of a title.
const TITLE_CHARACTERS_MAX: usize = 60;

#[test]
fn words_are_written_for_every_command_and_for_nothing_else() {
    let written: BTreeSet<String> =
        table!("words.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].as_str().unwrap().to_owned()).collect();
    let without: BTreeSet<String> = table!("without-words.txt").lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let known: BTreeSet<String> = catalogs().iter().flat_map(|catalog| catalog.commands().map(|command| command.name.clone()).collect::<Vec<_>>()).collect();
    none(known.difference(&written).filter(|name| !without.contains(*name)).map(|name| format!("{name} has no words")));
    none(written.difference(&known).map(|name| format!("{name} is no command")));
}

#[test]
fn every_line_of_words_can_be_read() {
    let catalog = &catalogs()[1];
    none(catalog.commands().filter(|command| catalog.words(command).phrases.is_empty()).map(|command| command.name.clone()));
}

#[test]
fn titles_tell_commands_apart() {
    let catalog = &catalogs()[1];
    let mut titles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for command in catalog.commands() {
        titles.entry(catalog.words(&command).title.to_lowercase()).or_default().push(command.name.clone());
    }
    none(titles.iter().filter(|(_, commands)| commands.len() > 1).map(|(title, commands)| format!("{title}: {}", commands.join(", "))));
    none(titles.keys().filter(|title| title.chars().count() > TITLE_CHARACTERS_MAX || title.ends_with('.')));
}

#[test]
fn descriptions_fit_what_clients_show() {
    let catalog = &catalogs()[1];
    none(catalog.commands().filter(|command| catalog.words(command).text.len() > TEXT_CHARACTERS_MAX).map(|command| command.name.clone()));
}

#[test]
fn every_parameter_is_described() {
    let mut faults = BTreeSet::new();
    for catalog in catalogs() {
        for command in catalog.commands() {
            let words = catalog.words(&command);
            let silent =
                command.parameters.iter().filter(|parameter| catalog.parameter_text(&command, &words, parameter).is_none_or(|text| text.trim().is_empty()));
            faults.extend(silent.map(|parameter| format!("{} {}", command.name, parameter.name)));
        }
    }
    none(faults);
}

#[test]
fn every_shared_text_about_a_parameter_is_used() {
    let mut used = BTreeSet::new();
    for catalog in catalogs() {
        for command in catalog.commands() {
            let words = catalog.words(&command);
            used.extend(command.parameters.iter().filter_map(|parameter| Some((parameter.name.clone(), catalog.parameter_text(&command, &words, parameter)?))));
        }
    }
    let rows = table!("parameters.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let texts = rows.map(|row| ["name", "text"].map(|key| row[key].as_str().unwrap().to_owned()));
    none(texts.filter(|[name, text]| !used.contains(&(name.clone(), text.clone()))).map(|[name, text]| format!("{name}: {text}")));
}

#[test]
fn words_about_a_parameter_belong_to_one_that_the_command_has() {
    let catalogs = catalogs();
    let mut faults = BTreeSet::new();
    for line in table!("words.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let command = row["name"].as_str().unwrap();
        for name in row["parameters"].as_object().into_iter().flat_map(|parameters| parameters.keys()) {
            if !catalogs.iter().any(|catalog| catalog.command(command).is_some_and(|command| command.parameter(name).is_some())) {
                faults.insert(format!("{command} {name}"));
            }
        }
    }
    none(faults);
}

#[test]
fn every_example_passes_the_argument_check() {
    fn faults(catalog: &Catalog, other: &Catalog) -> Vec<String> {
        let mut faults = Vec::new();
        for command in catalog.commands().filter(|command| other.command(&command.name).is_none() || catalog.release() > other.release()) {
            for example in catalog.words(&command).examples {
                if let Err(fault) = check(catalog, &command, &example) {
                    faults.push(format!("{}: {fault}", command.name));
                }
            }
        }
        faults
    }
    let [old, new] = catalogs();
    none(faults(&new, &old).into_iter().chain(faults(&old, &new)));
}

#[test]
fn every_command_of_consequence_says_how_to_undo_it() {
    let catalog = &catalogs()[1];
    none(catalog.commands().filter(|command| command.risk >= Risk::Destroy && catalog.words(command).undo.is_none()).map(|command| command.name.clone()));
}

#[test]
fn commands_that_the_words_name_exist() {
    let known: BTreeSet<String> = catalogs().iter().flat_map(|catalog| catalog.commands().map(|command| command.name.clone()).collect::<Vec<_>>()).collect();
    // Between backticks, a word with a capital inside is meant as a command; values and settings are told apart by form.
    let is_command_like = |word: &str| {
        word.starts_with(|letter: char| letter.is_ascii_lowercase())
            && word.contains(|letter: char| letter.is_ascii_uppercase())
            && word.chars().all(|letter| letter.is_ascii_alphanumeric())
    };
    let verbs: BTreeSet<String> = known.iter().map(|name| name.chars().take_while(char::is_ascii_lowercase).collect()).collect();
    let mut faults = BTreeSet::new();
    for text in [table!("words.jsonl"), table!("parameters.jsonl"), table!("families.tsv"), table!("groups.jsonl")] {
        for word in text.split('`').skip(1).step_by(2).filter(|word| is_command_like(word) && !known.contains(*word)) {
            let verb: String = word.chars().take_while(char::is_ascii_lowercase).collect();
            if verbs.contains(&verb) && verb.len() > 2 {
                faults.insert(word.to_owned());
            }
        }
    }
    none(faults);
}
