//! `fallout serve`: the HTTP doors by which others tell us something.

use std::sync::Arc;

use anyhow::Context as _;
use fallout_desk::Desk;

use super::{Context, case::told};
use crate::{
    exit::Exit,
    roles::{server, stop},
};

/// Take events of product orders over HTTP (TMF622 v4 listener) until stopped
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout access token add order-owner --scope orders.write --expires 90d
  fallout serve
  curl -H 'Authorization: Bearer fallout_...' -d @event.json \\
    http://127.0.0.1:8622/tmf-api/productOrderingManagement/v4/listener/productOrderStateChangeEvent

An event starts nothing: orders are taken in by their intake. It moves what is known of an order, and the severity of its
open cases with it. Where it listens: server.listen.")]
pub struct Args {}

pub async fn run(_: Args, context: &Context) -> anyhow::Result<Exit> {
    let settings = &context.settings;
    let desk = Desk::new(settings.database.store()?, Arc::new(settings.catalogue()?));
    let stopped = stop::on_signal().context("listening for signals")?;
    desk.ready().await.map_err(told)?;
    let (server, address) = server::open(&settings.server, &desk).await?;
    context.out.note(&format!("listening on http://{address}; Ctrl-C ends it"));
    let ended = server.run(stopped).await;
    context.out.note(&match ended.cut {
        0 => "stopped: every request was answered".to_owned(),
        cut => format!("stopped: {cut} connections were cut; their events can be sent again"),
    });
    Ok(Exit::Done)
}
