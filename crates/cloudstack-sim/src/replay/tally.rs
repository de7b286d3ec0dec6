//! Figures: equal answers of all, by scenario.

use serde_json::{Value, json};

use super::play::Verdict;

/// The figure of one scenario, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// The scenario.
    pub scenario: String,
    /// How many answers were equal.
    pub equal: usize,
    /// How many exchanges there are.
    pub all: usize,
}

impl Figure {
    /// Equal answers in percent, two decimals, rounded down: 97.999 is not 98.
    #[must_use]
    pub fn percent(&self) -> String {
        let hundredths = (self.equal * 10_000).checked_div(self.all).unwrap_or(10_000);
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

/// Verdicts, counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The verdicts in the order in which they were made.
    pub verdicts: Vec<Verdict>,
}

impl Tally {
    /// The figures by scenario, in order.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures: Vec<Figure> = Vec::new();
        for verdict in &self.verdicts {
            let place = figures.iter().position(|figure| figure.scenario == verdict.scenario);
            let place = place.unwrap_or_else(|| {
                figures.push(Figure { scenario: verdict.scenario.clone(), ..Figure::default() });
                figures.len() - 1
            });
            if let Some(figure) = figures.get_mut(place) {
                figure.all += 1;
                figure.equal += usize::from(verdict.differences.is_empty());
            }
        }
        figures
    }

    /// The figure of all scenarios.
    #[must_use]
    pub fn total(&self) -> Figure {
        let equal = self.verdicts.iter().filter(|verdict| verdict.differences.is_empty()).count();
        Figure { scenario: "all".to_owned(), equal, all: self.verdicts.len() }
    }

    /// The verdicts that tell of differences.
    pub fn different(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| !verdict.differences.is_empty())
    }

    /// Figures as lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for figure in self.figures().iter().chain([&self.total()]) {
            let line = format!("{:<26} {:>5} / {:<5} {:>6} %\n", figure.scenario, figure.equal, figure.all, figure.percent());
            text.push_str(&line);
        }
        text
    }

    /// Figures and differences as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let figure = |figure: &Figure| json!({ "scenario": figure.scenario, "equal": figure.equal, "all": figure.all });
        let different =
            |verdict: &Verdict| json!({ "scenario": verdict.scenario, "n": verdict.n, "command": verdict.command, "differences": verdict.differences });
        json!({
            "scenarios": self.figures().iter().map(figure).collect::<Vec<_>>(),
            "total": figure(&self.total()),
            "differences": self.different().map(different).collect::<Vec<_>>(),
        })
    }
}
