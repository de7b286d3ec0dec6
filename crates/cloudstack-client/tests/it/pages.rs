//! Whole lists from servers that page, that do not, and that lie about how many there are.

use std::collections::HashSet;

use cloudstack_client::{Error, ListLimits, Listing};
use serde_json::{Map, Value, json};

use crate::{
    server::{Act, Received, Server},
    world::{client, lone_read, read},
};

fn zones(ids: impl Iterator<Item = usize>) -> Vec<Value> {
    ids.map(|id| json!({"id": format!("zone-{id}")})).collect()
}

fn answer(count: Option<usize>, rows: Vec<Value>) -> Act {
    let count = count.map(|count| ("count".to_owned(), json!(count)));
    let rows = (!rows.is_empty()).then(|| ("zone".to_owned(), Value::Array(rows)));
    let body: Map<String, Value> = count.into_iter().chain(rows).collect();
    Act::json(200, &json!({"listzonesresponse": body}))
}

/// The rows that a page of a list with `length` rows holds.
fn cut(received: &Received, length: usize) -> Vec<Value> {
    let (page, size) = (received.number("page"), received.number("pagesize"));
    let start = (page - 1) * size;
    zones(start.min(length)..(start + size).min(length))
}

fn honest(length: usize) -> Server {
    Server::start(move |_, received| answer((length > 0).then_some(length), cut(received, length)))
}

async fn list(server: &Server, limits: ListLimits) -> Listing {
    client(server).0.list(&read(), &limits).await.unwrap()
}

fn is_whole(listing: &Listing, length: usize) -> bool {
    let ids: HashSet<&str> = listing.items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    let in_order = listing.items.iter().enumerate().all(|(at, item)| item["id"] == format!("zone-{at}"));
    listing.complete && listing.total == Some(u64::try_from(length).unwrap()) && ids.len() == length && listing.items.len() == length && in_order
}

fn pages(server: &Server) -> Vec<usize> {
    let mut pages: Vec<usize> = server.received().iter().map(|received| received.number("page")).collect();
    pages.sort_unstable();
    pages
}

#[tokio::test]
async fn twelve_hundred_items_come_in_three_pages_and_two_rounds() {
    let server = honest(1200);
    let listing = list(&server, ListLimits::default()).await;
    assert!(is_whole(&listing, 1200));
    assert_eq!((listing.key.as_deref(), listing.pages, pages(&server)), (Some("zone"), 3, vec![1, 2, 3]));
}

#[tokio::test]
async fn a_short_first_page_is_the_whole_list() {
    for length in [0, 1, 499] {
        let server = honest(length);
        let listing = list(&server, ListLimits::default()).await;
        assert!(is_whole(&listing, length), "{listing:?}");
        assert_eq!(pages(&server), [1]);
    }
}

#[tokio::test]
async fn a_list_that_ends_with_a_full_page_is_whole_after_an_empty_one() {
    let server = honest(1000);
    assert!(is_whole(&list(&server, ListLimits::default()).await, 1000));
    assert_eq!(pages(&server), [1, 2, 3]);
}

#[tokio::test]
async fn a_count_of_the_page_alone_ends_nothing() {
    let server = Server::start(|_, received| {
        let rows = cut(received, 1200);
        answer(Some(rows.len()), rows)
    });
    assert!(is_whole(&list(&server, ListLimits::default()).await, 1200));
}

#[tokio::test]
async fn a_missing_count_ends_nothing() {
    let server = Server::start(|_, received| answer(None, cut(received, 1200)));
    assert!(is_whole(&list(&server, ListLimits::default()).await, 1200));
}

#[tokio::test]
async fn a_count_that_promises_more_than_there_is_costs_one_page_and_is_corrected() {
    let server = Server::start(|_, received| answer(Some(9000), cut(received, 30)));
    assert!(is_whole(&list(&server, ListLimits::default()).await, 30));
    assert!(server.received().len() <= 5, "{}", server.received().len());
}

#[tokio::test]
async fn pages_shortened_after_they_were_cut_do_not_end_the_list() {
    // Each page lacks its last row, as when rows are taken out by permission.
    let server = Server::start(|_, received| {
        let mut rows = cut(received, 1200);
        rows.pop();
        answer(Some(1200), rows)
    });
    let listing = list(&server, ListLimits::default()).await;
    assert_eq!((listing.items.len(), listing.complete, listing.total), (1197, true, Some(1197)));
}

#[tokio::test]
async fn a_list_that_ignores_paging_is_read_once_or_twice_and_has_no_row_twice() {
    for length in [3, 500, 1122] {
        let server = Server::start(move |_, _| answer(Some(length), zones(0..length)));
        let listing = list(&server, ListLimits::default()).await;
        assert!(is_whole(&listing, length), "{length}");
        assert_eq!(server.received().len(), if length == 500 { 2 } else { 1 });
    }
}

#[tokio::test]
async fn pages_that_overlap_lose_nothing_and_double_nothing() {
    // Pages start one row early.
    let server = Server::start(|_, received| {
        let (page, size) = (received.number("page"), received.number("pagesize"));
        let start = (page - 1) * (size - 1);
        answer(Some(1000), zones(start.min(1000)..(start + size).min(1000)))
    });
    assert!(is_whole(&list(&server, ListLimits::default()).await, 1000));
}

#[tokio::test]
async fn rows_without_an_id_are_compared_whole() {
    let server = Server::start(|_, _| Act::json(200, &json!({"listzonesresponse": {"count": 2, "zone": [{"name": "a"}, {"name": "b"}]}})));
    let listing = list(&server, ListLimits { page_size: 2, ..ListLimits::default() }).await;
    assert_eq!((listing.items.len(), listing.complete, server.received().len()), (2, true, 2));
}

#[tokio::test]
async fn one_template_in_two_zones_is_two_rows() {
    let rows = json!([{"id": "t", "zoneid": "a"}, {"id": "t", "zoneid": "b"}, {"id": "t", "zoneid": "c"}]);
    let server = Server::start(move |_, received| {
        let rows = rows.as_array().unwrap().iter().skip((received.number("page") - 1) * 2).take(2).cloned().collect();
        answer(Some(3), rows)
    });
    let listing = list(&server, ListLimits { page_size: 2, ..ListLimits::default() }).await;
    assert_eq!((listing.items.len(), listing.complete), (3, true));
}

#[tokio::test]
async fn a_smaller_page_is_learned_from_the_refusal_and_kept() {
    let server = Server::start(|_, received| {
        if received.number("pagesize") > 100 {
            return Act::refusal(431, "listzonesresponse", "Page size can't exceed max allowed page size value: 100");
        }
        answer(Some(250), cut(received, 250))
    });
    let (client, _) = client(&server);
    for requests in [4, 7] {
        let listing = client.list(&read(), &ListLimits::default()).await.unwrap();
        assert!(is_whole(&listing, 250));
        assert_eq!(server.received().len(), requests);
    }
}

#[tokio::test]
async fn another_refusal_is_a_refusal() {
    let server = Server::start(|_, _| Act::refusal(431, "listzonesresponse", "Invalid parameter id value: 100"));
    let error = client(&server).0.list(&read(), &ListLimits::default()).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_server_that_quietly_gives_smaller_pages_is_read_to_the_end() {
    let server = Server::start(|_, received| {
        let start = (received.number("page") - 1) * 50;
        answer(Some(260), zones(start.min(260)..(start + 50).min(260)))
    });
    assert!(is_whole(&list(&server, ListLimits::default()).await, 260));
}

#[tokio::test]
async fn no_more_pages_are_in_flight_than_allowed_and_none_are_asked_for_in_vain() {
    let server = honest(3000);
    let listing = list(&server, ListLimits { pages_in_flight: 2, ..ListLimits::default() }).await;
    assert!(is_whole(&listing, 3000));
    assert_eq!(pages(&server), [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn more_items_than_wanted_are_cut_and_said_to_be_more() {
    for (items_max, requests) in [(10, 1), (600, 2), (1199, 3)] {
        let server = honest(1200);
        let listing = list(&server, ListLimits { items_max, ..ListLimits::default() }).await;
        assert_eq!((listing.items.len(), listing.complete, listing.total), (items_max, false, Some(1200)));
        assert_eq!(server.received().len(), requests, "{items_max}");
    }
}

#[tokio::test]
async fn exactly_as_many_items_as_wanted_are_known_to_be_all() {
    for length in [10, 500, 1000] {
        let server = honest(length);
        assert!(is_whole(&list(&server, ListLimits { items_max: length, ..ListLimits::default() }).await, length), "{length}");
    }
}

#[tokio::test]
async fn a_list_that_never_ends_is_given_up_and_not_called_whole() {
    // Each page repeats the last one but for one new row.
    let server = Server::start(|_, received| {
        let page = received.number("page");
        answer(None, zones(page..page + received.number("pagesize")))
    });
    let listing = list(&server, ListLimits { page_size: 10, items_max: 100, ..ListLimits::default() }).await;
    assert!(!listing.complete && listing.total.is_none());
    assert!(server.received().len() <= 30, "{}", server.received().len());
}

#[tokio::test]
async fn a_page_that_the_caller_chose_is_fetched_alone() {
    let server = honest(1200);
    let (client, _) = client(&server);
    let second = client.list(&read().with("page", "2").with("pagesize", "100"), &ListLimits::default()).await.unwrap();
    assert_eq!((second.items.len(), second.complete, second.total), (100, false, Some(1200)));
    assert_eq!(second.items[0]["id"], "zone-100");
    let all = client.list(&read().with("page", "1").with("pagesize", "2000"), &ListLimits::default()).await.unwrap();
    assert!(is_whole(&all, 1200));
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_list_command_that_answers_one_object_has_one_item() {
    let server = Server::start(|_, _| Act::json(200, &json!({"listcapabilitiesresponse": {"capability": {"cloudstackversion": "4.22.1.0"}}})));
    let listing = client(&server).0.list(&lone_read(), &ListLimits::default()).await.unwrap();
    assert_eq!((listing.key.as_deref(), listing.items.len(), listing.complete, listing.total), (Some("capability"), 1, true, Some(1)));
    assert_eq!(server.received()[0].argument("page"), "");
}

#[tokio::test]
async fn a_fault_on_a_later_page_is_a_fault_of_the_whole() {
    let server = Server::start(|_, received| {
        if received.number("page") == 3 {
            Act::refusal(431, "listzonesresponse", "character to be escaped is missing")
        } else {
            answer(Some(1200), cut(received, 1200))
        }
    });
    let error = client(&server).0.list(&read(), &ListLimits::default()).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
}
