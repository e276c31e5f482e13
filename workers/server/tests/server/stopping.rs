//! A server that is stopped takes nobody new, and lets whoever is served end.

use std::time::Duration;

use fallout_server::Stopped;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::rig::Rig;

#[tokio::test]
async fn a_request_in_work_ends_before_the_server_does_and_idle_connections_do_not_hold_it() {
    let rig = Rig::new().await;
    rig.order("o-1").await;
    let address = rig.address;
    let _idle = TcpStream::connect(address).await.unwrap();
    let body = rig.event("e-1", -5, json!({ "id": "o-1", "state": "held" })).await.to_string();
    let (first, rest) = body.split_at(20);
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /tmf-api/productOrderingManagement/v4/listener/productOrderStateChangeEvent HTTP/1.1\r\nhost: x\r\n\
         authorization: Bearer {}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        rig.token,
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body only once it has begun to read it: then the request is in work.
    let mut asked = [0; 25];
    slow.read_exact(&mut asked).await.unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 Continue"));
    slow.write_all(first.as_bytes()).await.unwrap();
    let stopping = tokio::spawn(rig.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    slow.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let stopped = tokio::time::timeout(Duration::from_secs(30), stopping).await.unwrap().unwrap();
    assert_eq!(stopped, Stopped { cut: 0 });
}
