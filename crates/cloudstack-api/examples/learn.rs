//! Fits `catalog/meaning.bin`: `cargo run --release -p cloudstack-api --example learn`, to be run when many phrases or
//! concepts have changed. Takes some minutes.
//!
//! Each mark (word, concept, mood) and each command gets a vector, such that the vectors of a text's marks add up to one
//! near that of its command: a softmax over all commands, by stochastic gradients. The texts are our own names, titles,
//! phrases and first sentences, and the requests of the tests but those that are held out to measure by.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use cloudstack_api::{
    catalog::{Catalog, Release},
    search::{Index, Lesson, lessons, written_meaning},
};
use serde_json::Value;

/// Numbers in a vector.
const DIMENSIONS: usize = 96;
/// How often all texts are gone through.
const ROUNDS: usize = 20;
/// Texts between two steps.
const BATCH: usize = 256;
/// The size of the first step; it shrinks to nothing.
const STEP: f32 = 0.02;
/// How likely a mark is left out, so that no command leans on one word.
const LEFT_OUT: f32 = 0.3;
/// How strongly numbers are drawn to nothing.
const SHRINKING: f32 = 1e-4;
/// The spread of the numbers that marks begin with.
const SPREAD_FIRST: f32 = 0.3;
/// The length of the vectors that commands begin with.
const LENGTH_FIRST: f32 = 3.0;
/// How long the means of gradients and of their squares remember.
const MEMORY: (f32, f32) = (0.9, 0.99);
/// The requests to learn from, and which of each so many lines are held out.
const REQUESTS: [(&str, Option<usize>); 3] = [("requests", None), ("lot-open", None), ("routing", Some(2))];

/// Where the random numbers begin.
const SEED: u64 = 0x5EED_2026;

/// A vector with the means that its steps go by (Adam).
#[derive(Clone)]
struct Row {
    numbers: Vec<f32>,
    gradient: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl Row {
    fn new(numbers: Vec<f32>) -> Self {
        let nothing = vec![0.0; numbers.len()];
        Self { numbers, gradient: nothing.clone(), mean: nothing.clone(), square: nothing }
    }

    /// One step along the gradient, which is then forgotten.
    fn step(&mut self, size: f32, corrections: (f32, f32)) {
        let members = self.numbers.iter_mut().zip(&mut self.gradient).zip(&mut self.mean).zip(&mut self.square);
        for (((number, gradient), mean), square) in members {
            let slope = *gradient + SHRINKING * *number;
            *mean = MEMORY.0 * *mean + (1.0 - MEMORY.0) * slope;
            *square = MEMORY.1 * *square + (1.0 - MEMORY.1) * slope * slope;
            *number -= size * (*mean / corrections.0) / ((*square / corrections.1).sqrt() + 1e-8);
            *gradient = 0.0;
        }
    }
}

/// A text as the numbers of its marks, and the number of its command.
struct Text {
    marks: Vec<usize>,
    command: usize,
}

/// Random numbers that are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to 1.
    fn share(&mut self) -> f32 {
        f32::from(u16::try_from(self.next() >> 48).unwrap_or_default()) / f32::from(u16::MAX)
    }

    /// About normal with this spread.
    fn normal(&mut self, spread: f32) -> f32 {
        ((0..12).map(|_| self.share()).sum::<f32>() - 6.0) * spread
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = usize::try_from(self.next() % (u64::try_from(at).unwrap_or_default() + 1)).unwrap_or_default();
            items.swap(at, other);
        }
    }
}

/// The vectors in the making.
struct School {
    marks: Vec<Row>,
    commands: Vec<Row>,
    dice: Dice,
}

impl School {
    fn new(texts: &[Text], mark_count: usize, command_count: usize) -> Self {
        let mut dice = Dice(SEED);
        let mut with = vec![0_usize; mark_count];
        for mark in texts.iter().flat_map(|text| &text.marks) {
            with.get_mut(*mark).into_iter().for_each(|with| *with += 1);
        }
        let telling: Vec<f32> = with.iter().map(|with| (amount(texts.len()) / amount(*with).max(1.0)).ln()).collect();
        let most = telling.iter().copied().fold(1.0, f32::max);
        let marks: Vec<Row> = telling.iter().map(|telling| Row::new((0..DIMENSIONS).map(|_| dice.normal(SPREAD_FIRST) * telling / most).collect())).collect();
        let mut commands = vec![Row::new(vec![0.0; DIMENSIONS]); command_count];
        for text in texts {
            let sum = sum(&marks, &text.marks);
            commands.get_mut(text.command).into_iter().for_each(|row| add(&mut row.numbers, &sum, 1.0));
        }
        for row in &mut commands {
            let length = row.numbers.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            row.numbers.iter_mut().for_each(|number| *number *= LENGTH_FIRST / length);
        }
        Self { marks, commands, dice }
    }

    /// Adds the gradients of a text.
    fn learn(&mut self, text: &Text, weight: f32) {
        let marks: Vec<usize> = text.marks.iter().copied().filter(|_| self.dice.share() > LEFT_OUT).collect();
        if marks.is_empty() {
            return;
        }
        let sum = sum(&self.marks, &marks);
        let scores: Vec<f32> = self.commands.iter().map(|row| row.numbers.iter().zip(&sum).map(|(a, b)| a * b).sum()).collect();
        let best = scores.iter().copied().fold(f32::MIN, f32::max);
        let whole: f32 = scores.iter().map(|score| (score - best).exp()).sum();
        let mut back = vec![0.0; DIMENSIONS];
        for (number, (row, score)) in self.commands.iter_mut().zip(scores).enumerate() {
            let error = weight * ((score - best).exp() / whole - if number == text.command { 1.0 } else { 0.0 });
            add(&mut back, &row.numbers, error);
            add(&mut row.gradient, &sum, error);
        }
        let share = 1.0 / amount(marks.len()).sqrt();
        for mark in marks {
            self.marks.get_mut(mark).into_iter().for_each(|row| add(&mut row.gradient, &back, share));
        }
    }

    fn run(&mut self, texts: &[Text]) {
        let mut order: Vec<&Text> = texts.iter().collect();
        let mut powers = (1.0_f32, 1.0_f32);
        for round in 0..ROUNDS {
            self.dice.shuffle(&mut order);
            let size = STEP * (1.0 - amount(round) / amount(ROUNDS)) + STEP / 200.0;
            for batch in order.chunks(BATCH) {
                batch.iter().for_each(|text| self.learn(text, 1.0 / amount(batch.len())));
                powers = (powers.0 * MEMORY.0, powers.1 * MEMORY.1);
                let corrections = (1.0 - powers.0, 1.0 - powers.1);
                self.marks.iter_mut().chain(&mut self.commands).for_each(|row| row.step(size, corrections));
            }
        }
    }
}

fn sum(marks: &[Row], wanted: &[usize]) -> Vec<f32> {
    let mut sum = vec![0.0; DIMENSIONS];
    let share = 1.0 / amount(wanted.len()).max(1.0).sqrt();
    wanted.iter().filter_map(|mark| marks.get(*mark)).for_each(|row| add(&mut sum, &row.numbers, share));
    sum
}

fn add(to: &mut [f32], from: &[f32], share: f32) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += share * from);
}

fn amount(count: usize) -> f32 {
    f32::from(u16::try_from(count).unwrap_or(u16::MAX))
}

/// The requests of the tests that may be learned from.
fn requests(folder: &Path, index: &Index) -> io::Result<Vec<Lesson>> {
    let mut found = Vec::new();
    for (set, held_out) in REQUESTS {
        let text = fs::read_to_string(folder.join(format!("tests/data/{set}.jsonl")))?;
        for line in text.lines().enumerate().filter(|(at, _)| held_out.is_none_or(|every| at % every == 0)).map(|(_, line)| line) {
            let row: Value = serde_json::from_str(line)?;
            let command = row.pointer("/accept/0").and_then(Value::as_str).unwrap_or_default().to_owned();
            found.push(Lesson { command, marks: index.marks(row.get("query").and_then(Value::as_str).unwrap_or_default()) });
        }
    }
    Ok(found)
}

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let catalog = Catalog::embedded(Release::NEWEST);
    let mut lessons = lessons(&catalog);
    lessons.extend(requests(folder, &Index::new(&catalog))?);
    let marks: BTreeSet<&str> = lessons.iter().flat_map(|lesson| &lesson.marks).map(String::as_str).collect();
    let marks: BTreeMap<&str, usize> = marks.into_iter().zip(0..).collect();
    let names: Vec<String> = catalog.commands().map(|command| command.name.clone()).collect();
    let text = |lesson: &Lesson| {
        let command = names.binary_search(&lesson.command).ok()?;
        Some(Text { marks: lesson.marks.iter().filter_map(|mark| marks.get(mark.as_str()).copied()).collect(), command })
    };
    let texts: Vec<Text> = lessons.iter().filter_map(text).collect();
    let mut school = School::new(&texts, marks.len(), names.len());
    school.run(&texts);
    let named = |names: Vec<String>, rows: Vec<Row>| names.into_iter().zip(rows.into_iter().map(|row| row.numbers)).collect::<Vec<_>>();
    let terms = named(marks.keys().map(|mark| (*mark).to_owned()).collect(), school.marks);
    fs::write(folder.join("../../catalog/meaning.bin"), written_meaning(&terms, &named(names, school.commands)))
}
