//! The HTTP front, spoken to over a socket.

use cloudstack_api::wire::form;
use cloudstack_sim::serve;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::scene::{fresh, identity, signed};

/// Sends one request as text and answers with status, head and body.
pub(crate) async fn exchange(address: &str, request: String) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

fn bare(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n")
}

fn posted(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /client/api HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn the_front_answers_by_get_and_post_and_knows_its_place() {
    let cloud = fresh();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(cloud.clone(), listener, stop.clone()));
    let query = form(&signed(&identity(&cloud, "dev"), "listZones", &[]));

    let (status, head, got) = exchange(&address, bare("GET", &format!("/client/api?{query}"))).await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json;charset=utf-8") && head.contains("x-content-type-options: nosniff"), "{head}");
    assert_eq!(exchange(&address, posted(&query)).await.2, got);
    let as_json = posted(&query).replace("application/x-www-form-urlencoded", "application/json");
    assert_eq!(exchange(&address, as_json).await.0, 401, "a body that is no form is not read");

    let expected = [
        ("PUT", "/client/api", 405),
        ("PATCH", "/client/api", 501),
        ("OPTIONS", "/client/api", 200),
        ("GET", "/client/apix", 404),
        ("GET", "/client/api/", 401),
        ("GET", "/elsewhere", 301),
        ("GET", "/client", 302),
        ("GET", "/client/api?command=login&username=x", 405),
        ("GET", "/client/api?command=listZones&response=json", 401),
    ];
    for (method, target, status) in expected {
        assert_eq!(exchange(&address, bare(method, target)).await.0, status, "{method} {target}");
    }
    let long = format!("/client/api?x={}", "y".repeat(9_000));
    assert_eq!(exchange(&address, bare("GET", &long)).await.0, 414);
    stop.cancel();
    server.await.unwrap().unwrap();
}
