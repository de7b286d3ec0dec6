//! The HTTP front: a client over a socket.

use cloudstack_api::wire::form;
use cloudstack_sim::serve;
use tokio_util::sync::CancellationToken;

use crate::scene::{fresh, identity, signed};

#[tokio::test]
async fn the_front_answers_by_get_and_post_and_knows_its_place() {
    let cloud = fresh();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(cloud.clone(), listener, stop.clone()));
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let text = form(&signed(&identity(&cloud, "dev"), "listZones", &[]));

    let by_get = client.get(format!("{base}/client/api?{text}")).send().await.unwrap();
    assert_eq!((by_get.status().as_u16(), by_get.headers()["content-type"].to_str().unwrap()), (200, "application/json;charset=utf-8"));
    let got = by_get.text().await.unwrap();
    let by_post =
        client.post(format!("{base}/client/api")).header("content-type", "application/x-www-form-urlencoded").body(text.clone()).send().await.unwrap();
    assert_eq!(by_post.text().await.unwrap(), got);

    let status = |method: reqwest::Method, path: &str| {
        let request = client.request(method, format!("{base}{path}"));
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(status(reqwest::Method::PUT, "/client/api").await, 405);
    assert_eq!(status(reqwest::Method::PATCH, "/client/api").await, 501);
    assert_eq!(status(reqwest::Method::GET, "/client/apix").await, 404);
    assert_eq!(status(reqwest::Method::GET, "/elsewhere").await, 301);
    assert_eq!(status(reqwest::Method::GET, "/client/api?command=login&username=x").await, 405);
    assert_eq!(status(reqwest::Method::GET, &format!("/client/api?x={}", "y".repeat(9_000))).await, 414);
    let refused = client.get(format!("{base}/client/api?command=listZones&response=json")).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    stop.cancel();
    server.await.unwrap().unwrap();
}
