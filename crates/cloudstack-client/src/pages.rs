//! Whole lists out of pages (wire facts §1.8).
//!
//! The server's `count` has lied in several releases: it says how many pages to ask for at once and that a short page
//! may not be the last, never that there are no more. A list is over when a page brings nothing new, or is short and
//! nothing speaks against it. Lists that ignore paging answer with everything each time and are noticed by that.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::atomic::Ordering,
};

use cloudstack_api::{
    call::Call,
    reply::{Body, Fault, Reply},
};
use futures_util::future::try_join_all;
use serde_json::{Map, Value};

use crate::{client::Client, error::Error};

const ITEMS_MAX: usize = 10_000;
/// What servers give at most unless their operator changed it.
const PAGE_SIZE: usize = 500;
const PAGES_IN_FLIGHT: usize = 4;
/// How many pages are asked for beyond those that `items_max` needs, when pages overlap.
const PAGES_SPARE: usize = 4;
/// The code by which a server says that a page is too large.
const PARAMETER_REFUSED: u16 = 431;

/// How much of a list to fetch, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimits {
    /// The most items.
    pub items_max: usize,
    /// The items of a page; fewer if the server says so.
    pub page_size: usize,
    /// How many pages are asked for side by side.
    pub pages_in_flight: usize,
}

impl Default for ListLimits {
    fn default() -> Self {
        Self { items_max: ITEMS_MAX, page_size: PAGE_SIZE, pages_in_flight: PAGES_IN_FLIGHT }
    }
}

/// A list, whole or in part.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// The key that the items stand under; `None` if there are none.
    pub key: Option<String>,
    /// The items, in the server's order.
    pub items: Vec<Value>,
    /// How many there are in all, as far as known.
    pub total: Option<u64>,
    /// Whether these are all.
    pub complete: bool,
    /// How many pages were read.
    pub pages: usize,
}

impl Client {
    /// Fetches a list, page after page, unless the call itself says which page it wants.
    ///
    /// A command that takes no pages is sent once, and so is one whose reply turns out to be no list: its object is the
    /// one item then.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]. A fault on a later page is a fault of the whole.
    pub async fn list(&self, call: &Call, limits: &ListLimits) -> Result<Listing, Error> {
        let chosen = call.argument("page").is_some() || call.argument("pagesize").is_some();
        if chosen || !call.command().is_paged() {
            let page = Page::of(self.send(call).await?);
            return Ok(single(page, call, limits));
        }
        let (first, size) = self.first_page(call, limits).await?;
        let mut gathering = Gathering::new(limits.items_max, size);
        gathering.add(first);
        while let Some(batch) = gathering.next_batch(limits.pages_in_flight) {
            let pages = try_join_all(batch.map(|number| self.page(call, number, size))).await?;
            pages.into_iter().for_each(|page| gathering.add(page));
        }
        Ok(gathering.finish())
    }

    /// The first page and the size that the server gives. Asks for one item more than wanted, which shows whether there
    /// are more.
    async fn first_page(&self, call: &Call, limits: &ListLimits) -> Result<(Page, usize), Error> {
        let known = self.page_size_max().load(Ordering::Relaxed);
        let wanted = limits.page_size.min(limits.items_max.saturating_add(1)).max(1);
        let size = if known == 0 { wanted } else { wanted.min(known) };
        match self.page(call, 1, size).await {
            Err(Error::Refused(fault)) => {
                let Some(told) = page_size_in(&fault).filter(|told| (1..size).contains(told)) else { return Err(Error::Refused(fault)) };
                self.page_size_max().store(told, Ordering::Relaxed);
                Ok((self.page(call, 1, told).await?, told))
            }
            other => Ok((other?, size)),
        }
    }

    async fn page(&self, call: &Call, number: usize, size: usize) -> Result<Page, Error> {
        let call = call.clone().with("page", number.to_string()).with("pagesize", size.to_string());
        self.send(&call).await.map(Page::of)
    }
}

/// Reads `500` out of `Page size can't exceed max allowed page size value: 500`.
fn page_size_in(fault: &Fault) -> Option<usize> {
    let (text, number) = fault.text.rsplit_once(':')?;
    let speaks = fault.code == PARAMETER_REFUSED && text.to_ascii_lowercase().contains("page size");
    number.trim().trim_end_matches('.').parse().ok().filter(|_| speaks)
}

/// One page.
#[derive(Debug)]
struct Page {
    key: Option<String>,
    items: Vec<Value>,
    count: Option<u64>,
    /// Whether the reply was a list at all.
    is_list: bool,
}

impl Page {
    fn of(reply: Reply) -> Self {
        let one = |key: Option<String>, value: Value| Self { key, items: vec![value], count: None, is_list: false };
        match reply.body {
            Body::List { key, items, count } => Self { key, items, count, is_list: true },
            Body::Object { key, value } => one(Some(key), value),
            Body::Flat(members) => one(None, Value::Object(members)),
            Body::Started { job, id } => {
                let id = id.map(|id| ("id".to_owned(), Value::String(id)));
                one(None, Value::Object(Map::from_iter([("jobid".to_owned(), Value::String(job))].into_iter().chain(id))))
            }
            Body::Success { success, text } => {
                let text = text.map(|text| ("displaytext".to_owned(), Value::String(text)));
                one(None, Value::Object(Map::from_iter([("success".to_owned(), Value::Bool(success))].into_iter().chain(text))))
            }
        }
    }
}

/// The listing of a call that is sent once.
fn single(page: Page, call: &Call, limits: &ListLimits) -> Listing {
    let number = |name: &str| call.argument(name).and_then(|text| text.trim().parse::<usize>().ok());
    let seen = page.items.len();
    let counted = page.count.filter(|count| *count >= as_count(seen));
    let whole = match (number("page"), number("pagesize")) {
        // A page of the caller's choice is the whole list if it is the first and not full.
        (Some(1), Some(size)) => seen < size && counted.is_none_or(|count| count == as_count(seen)),
        (Some(_), _) | (_, Some(_)) => false,
        (None, None) => counted.is_none_or(|count| count == as_count(seen)),
    };
    let chosen = call.argument("page").is_some() || call.argument("pagesize").is_some();
    let complete = whole && (chosen || seen <= limits.items_max);
    let mut items = page.items;
    if !chosen {
        items.truncate(limits.items_max);
    }
    let total = counted.or_else(|| whole.then(|| as_count(seen)));
    Listing { key: page.key, items, total, complete, pages: 1 }
}

/// The pages of one list as they come in, in order.
#[derive(Debug)]
struct Gathering {
    key: Option<String>,
    items: Vec<Value>,
    seen: HashSet<u64>,
    count: Option<u64>,
    pages: usize,
    over: bool,
    items_max: usize,
    size: usize,
}

impl Gathering {
    fn new(items_max: usize, size: usize) -> Self {
        Self { key: None, items: Vec::new(), seen: HashSet::new(), count: None, pages: 0, over: false, items_max, size }
    }

    /// Takes the next page. Rows are compared with those of earlier pages only: within a page, one template in three
    /// zones is rightly three rows.
    fn add(&mut self, page: Page) {
        let (length, before) = (page.items.len(), self.items.len());
        let marks: Vec<u64> = page.items.iter().map(mark).collect();
        let fresh = page.items.into_iter().zip(&marks).filter(|(_, mark)| !self.seen.contains(mark)).map(|(item, _)| item);
        self.items.extend(fresh);
        self.seen.extend(marks);
        self.key = self.key.take().or(page.key);
        self.count = page.count.max(self.count);
        self.pages += 1;
        let brings_nothing = self.items.len() == before;
        let ends = length < self.size && self.left_by_count() == 0;
        // Whether a page is the last is asked of the last one that came: one in the middle of a batch may be short
        // because rows were taken out after it was cut.
        self.over = !page.is_list || brings_nothing || ends || length > self.size;
    }

    /// The numbers of the pages to ask for next, at most `in_flight`; `None` when there is no need.
    fn next_batch(&self, in_flight: usize) -> Option<std::ops::Range<usize>> {
        let pages_max = self.items_max.div_ceil(self.size).saturating_mul(2).saturating_add(PAGES_SPARE);
        if self.over || self.items.len() > self.items_max || self.pages >= pages_max {
            return None;
        }
        // Beyond what the count promises, one page at a time finds the end.
        let needed = (self.items_max - self.items.len()) / self.size + 1;
        let promised = self.left_by_count().div_ceil(self.size);
        let length = promised.min(needed).min(in_flight).max(1);
        Some(self.pages + 1..self.pages + 1 + length)
    }

    fn finish(mut self) -> Listing {
        let whole = self.over && self.items.len() <= self.items_max;
        let seen = as_count(self.items.len());
        let total = if whole { Some(seen) } else { self.count.filter(|count| *count >= seen) };
        self.items.truncate(self.items_max);
        Listing { key: self.key, items: self.items, total, complete: whole, pages: self.pages }
    }

    /// How many items the count promises beyond those that came.
    fn left_by_count(&self) -> usize {
        self.count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default().saturating_sub(self.items.len())
    }
}

fn as_count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// What tells a row from others: its id, with the zone since a template is a row in each; else all of it.
fn mark(item: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    match item.get("id") {
        Some(id) => (id, item.get("zoneid")).hash(&mut hasher),
        None => item.hash(&mut hasher),
    }
    hasher.finish()
}
