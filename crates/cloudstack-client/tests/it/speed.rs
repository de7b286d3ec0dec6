//! Many calls at once on few connections: all are answered, and connections are kept.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    server::{Act, Server},
    world::{client, lone_read},
};

#[tokio::test]
async fn hundreds_of_calls_side_by_side_are_all_answered() {
    let server = Server::start(|_, received| Act::json(200, &json!({"x": {"echo": {"signature": received.argument("signature")}}})));
    let client = Arc::new(client(&server).0);
    let call = lone_read();
    for _ in 0..3 {
        let replies = join_all((0..200).map(|_| client.send(&call))).await;
        assert!(replies.iter().all(Result::is_ok));
    }
    assert_eq!(server.received().len(), 600);
}
