//! Whom the client trusts, against a real TLS server.
//!
//! The certificates beside this file were made for it and are trusted by nobody: an authority, and a server's for
//! `localhost` and `127.0.0.1` with its key.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use cloudstack_client::{Client, Endpoint, Error, UnreachableKind};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::{
    clock::HandClock,
    world::{keys, write},
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 22\r\nconnection: close\r\n\r\n{\"x\":{\"success\":true}}";

fn certificates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/certificates")
}

/// A TLS server that answers each connection's first request; its URL.
fn start() -> String {
    let certificate = CertificateDer::from_pem_file(certificates().join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificates().join("server.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/client/api", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream.unwrap());
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                let _ = stream.write_all(ANSWER).and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    url
}

async fn send(endpoint: Endpoint) -> Result<(), Error> {
    Client::new(&endpoint, keys(), HandClock::new() as _)?.send(&write()).await.map(|_| ())
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_talked_to() {
    let error = send(Endpoint::new(start())).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { kind: UnreachableKind::Tls, .. }), "{error:?}");
}

#[tokio::test]
async fn an_authority_from_a_file_is_trusted() {
    send(Endpoint { ca_file: Some(certificates().join("authority.pem")), ..Endpoint::new(start()) }).await.unwrap();
}

#[tokio::test]
async fn everybody_is_trusted_if_somebody_insists() {
    send(Endpoint { verify_tls: false, ..Endpoint::new(start()) }).await.unwrap();
}

#[tokio::test]
async fn a_file_without_certificates_is_refused_at_once() {
    let error = send(Endpoint { ca_file: Some(certificates().join("server.key")), ..Endpoint::new(start()) }).await.unwrap_err();
    assert!(matches!(error, Error::Config(_)), "{error:?}");
}
