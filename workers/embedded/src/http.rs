//! The smallest HTTP client that can ask an engine for its version: this crate is a leaf and needs no more.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Status and body of a GET on 127.0.0.1. HTTP/1.0, so that the body ends with the connection.
pub(crate) fn get(port: u16, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let bound = Some(Duration::from_secs(10)); // an engine that has just started compiles while it answers
    stream.set_read_timeout(bound)?;
    stream.set_write_timeout(bound)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    status
        .map(|status| (status, body.to_owned()))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
}
