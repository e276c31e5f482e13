//! Logs to stderr and, when a collector is named, spans to it. The words are in docs/TELEMETRY.md.
//!
//! Started before the runtime and finished after it: the exporter works with a blocking client on its own thread, which
//! must be neither made nor dropped inside tokio. Telemetry that fails never stops the program.

use std::{io::IsTerminal, time::Duration};

use anyhow::Context;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{
    codes::Failure,
    config::{LogFormat, TelemetrySettings},
};

/// What is logged when FALLOUT_LOG does not say: ours at info, everyone else only when something is wrong.
pub const COURSE_OF_THINGS: &str = "warn,fallout=info";
/// The same for a command that shows its own progress: log lines in between would garble it.
pub const TROUBLE_ONLY: &str = "warn";
/// A collector in the same network answers in milliseconds, and the end of a command waits for it.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Running telemetry; [`Telemetry::finish`] sends what is still buffered.
#[derive(Debug)]
#[must_use = "buffered spans are lost without finish"]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// For the whole process, once. Only a FALLOUT_LOG that cannot be read is an error; without one, `default` counts.
    pub fn start(settings: &TelemetrySettings, default: &str) -> Result<Self, Failure> {
        let filter = filter(std::env::var("FALLOUT_LOG").ok().as_deref(), default)?;
        let provider = provider(settings);
        let unsent = provider.as_ref().err().map(|error| format!("{error:#}"));
        let provider = provider.ok().flatten();
        let subscriber = subscriber(settings, filter, provider.as_ref());
        if subscriber.try_init().is_err() {
            tracing::debug!("someone else collects the telemetry of this process");
        }
        if let Some(error) = unsent {
            tracing::warn!(error, "spans are not exported");
        }
        Ok(Self(provider))
    }

    /// In one place, after the command's result, whatever that was.
    pub fn finish(self) {
        let Some(provider) = self.0 else { return };
        if let Err(error) = provider.shutdown_with_timeout(EXPORT_TIMEOUT) {
            tracing::warn!(error = %error, "the last spans were not exported");
        }
    }
}

fn filter(text: Option<&str>, default: &str) -> Result<EnvFilter, Failure> {
    let text = text.filter(|text| !text.trim().is_empty()).unwrap_or(default);
    EnvFilter::try_new(text).map_err(|error| {
        let what = "FALLOUT_LOG cannot be read; expected something like info, or warn,fallout=debug";
        Failure::new("FO-001", what).because(error)
    })
}

fn subscriber(
    settings: &TelemetrySettings,
    filter: EnvFilter,
    provider: Option<&SdkTracerProvider>,
) -> impl Subscriber + Send + Sync + use<> {
    let text = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let logs: Box<dyn Layer<Registry> + Send + Sync> = match settings.format() {
        Some(LogFormat::Json) => text.json().boxed(),
        _ => text.with_ansi(coloured()).boxed(),
    };
    // Spans have a filter of their own: fewer log lines must not mean fewer spans.
    let spans = provider.map(|provider| {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("fallout"));
        layer.with_filter(Targets::new().with_target("fallout", Level::INFO))
    });
    tracing_subscriber::registry().with(logs.with_filter(filter)).with(spans)
}

fn coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn provider(settings: &TelemetrySettings) -> anyhow::Result<Option<SdkTracerProvider>> {
    if settings.otlp_url.is_empty() {
        return Ok(None);
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(
            client(&settings.otlp_url)
                .context("no HTTP client for the collector; for https the machine needs ca-certificates")?,
        )
        .with_endpoint(traces_endpoint(&settings.otlp_url))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .context("the collector's address cannot be used")?;
    let resource = Resource::builder()
        .with_service_name("fallout")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
    Ok(Some(provider.build()))
}

/// The exporter's own client would need a certificate store even where the collector speaks plain HTTP.
fn client(url: &str) -> reqwest::Result<reqwest::blocking::Client> {
    let mut client = reqwest::blocking::Client::builder().timeout(EXPORT_TIMEOUT).no_proxy();
    if url.starts_with("http://") {
        client = client.tls_certs_only([]);
    }
    client.build()
}

/// OTLP over HTTP has one path per kind; people name the collector.
fn traces_endpoint(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with("/v1/traces") { url.to_owned() } else { format!("{url}/v1/traces") }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    fn settings(otlp_url: String) -> TelemetrySettings {
        TelemetrySettings { log: "text".into(), otlp_url }
    }

    /// Runs one span of ours, and of someone else, under telemetry with this collector.
    fn one_span(otlp_url: String) {
        let settings = settings(otlp_url);
        let provider = provider(&settings).unwrap();
        let subscriber = subscriber(&settings, filter(Some("off"), COURSE_OF_THINGS).unwrap(), provider.as_ref());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!(target: "fallout_fleet", "process").in_scope(|| {});
            tracing::info_span!(target: "hyper", "noise").in_scope(|| {});
        });
        Telemetry(provider).finish();
    }

    #[test]
    fn spans_reach_the_collector_before_the_program_ends_even_with_logs_off() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            while !request.windows(7).any(|window| window == b"process") {
                let n = stream.read(&mut chunk).unwrap();
                assert!(n > 0, "the request ends without our span");
                request.extend_from_slice(&chunk[..n]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&request).into_owned()
        });
        one_span(url);
        let request = collector.join().unwrap();
        assert!(request.starts_with("POST /v1/traces "), "{request}");
        assert!(!request.contains("noise"));
    }

    #[test]
    fn a_collector_that_is_away_stops_nothing() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        one_span(format!("http://{free}"));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused_with_an_example() {
        let failure = filter(Some("fallout=loud"), COURSE_OF_THINGS).unwrap_err();
        assert!(failure.to_string().contains("warn,fallout=debug"));
    }

    #[test]
    fn the_default_counts_only_where_nothing_was_chosen() {
        for default in [COURSE_OF_THINGS, TROUBLE_ONLY] {
            let expected = EnvFilter::new(default).to_string();
            for nothing in [None, Some(" ")] {
                assert_eq!(filter(nothing, default).unwrap().to_string(), expected);
            }
        }
        assert_eq!(filter(Some("debug"), TROUBLE_ONLY).unwrap().to_string(), "debug");
    }

    #[test]
    fn the_collector_may_be_named_with_or_without_its_path() {
        for url in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
            assert_eq!(traces_endpoint(url), "http://c:4318/v1/traces");
        }
    }
}
