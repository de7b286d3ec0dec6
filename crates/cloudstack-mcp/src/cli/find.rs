//! `find`: objects by name, address or id, whatever their kind.

use clap::Args;
use cloudstack_engine::FindRequest;

use super::{Context, Failure, Verb, run::ending};

/// Find objects of many kinds by name, address or id
#[derive(Args)]
pub(super) struct Find {
    /// A name or a part of one, an address, or an id
    text: String,
    /// Only objects of these kinds, such as `virtual machine`
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<String>,
    /// The most objects of one kind
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

impl Verb for Find {
    const NAME: &'static str = "find";

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let engine = context.engine().await?;
        let request = FindRequest { text: self.text, kinds: self.kinds, limit: self.limit, profile: None, caller: context.caller() };
        let line = context.screen.progress();
        let answer = engine.find(request, &line).await?;
        line.clear();
        ending(context, &answer, &[])
    }
}
