//! Accidents of servers, with the real engine: one of two nodes is killed, Postgres is killed and comes back.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use fallout_camunda::{Engine as Client, EngineConfig};
use fallout_embedded::{Engine, EngineOptions};
use tokio::{task::spawn_blocking, time::sleep};

use super::{
    accidents::{many, troubled},
    engine::Dispatcher,
    lanes::next_order,
    links::{Worker, own_topic},
    place::{Ground, operation},
    proxy::Upstream,
    tally::Tally,
};
use crate::World;

/// So that the accident meets work of every kind: fetched, sent, being looked up, being reported.
const IN_THE_MIDDLE: Duration = Duration::from_millis(1_500);

/// The matrix's own among the databases of the shared Postgres.
const DATABASE: &str = "faults";

/// The shared servers as a ground.
pub async fn with_engine(world: &World) -> Result<Ground> {
    Ground::new(&world.postgres, DATABASE, dispatcher(&world.engine, &world.engine)?).await
}

/// Workers go to one node; what became of their steps is asked at the other.
fn dispatcher(workers: &Engine, asked: &Engine) -> Result<Dispatcher> {
    let at = SocketAddr::from(([127, 0, 0, 1], workers.port()));
    Ok(Dispatcher::Real { engine: Client::new(EngineConfig::new(asked.base_url()))?, at })
}

/// Postgres, which the engine uses too, is killed under everybody and started again.
pub async fn postgres_killed(world: &mut World, orders: usize, tally: &mut Tally) -> Result<()> {
    let ground = with_engine(world).await?;
    let op = own_topic(&operation("post-asked")?, &next_order());
    let links = troubled(&ground, &op, orders).await?;
    let workers = [Worker::start(&links.wiring(&ground, &op))?, Worker::start(&links.wiring(&ground, &op))?];
    let accident = async {
        sleep(IN_THE_MIDDLE).await;
        tokio::task::block_in_place(|| {
            world.postgres.kill();
            world.postgres.restart()
        })?;
        Ok(())
    };
    let row = ("server killed", "Postgres, restarted".to_owned());
    many(&ground, &op, orders, row, tally, accident).await?;
    for worker in workers {
        worker.stop().await?;
    }
    Ok(())
}

/// Two nodes share one database; the one that all workers use is killed, and they are led to the other.
pub async fn node_killed(world: &mut World, orders: usize, tally: &mut Tally) -> Result<()> {
    let second = second_node(world).await?;
    let ground = Ground::new(&world.postgres, DATABASE, dispatcher(&world.engine, &second)?).await?;
    let op = own_topic(&operation("post-asked")?, &next_order());
    let links = troubled(&ground, &op, orders).await?;
    let workers = [Worker::start(&links.wiring(&ground, &op))?, Worker::start(&links.wiring(&ground, &op))?];
    let to = SocketAddr::from(([127, 0, 0, 1], second.port()));
    let accident = async {
        sleep(IN_THE_MIDDLE).await;
        tokio::task::block_in_place(|| world.engine.kill());
        links.engine.redirect(Upstream::Tcp(to));
        Ok(())
    };
    let row = ("server killed", "one of two engine nodes".to_owned());
    many(&ground, &op, orders, row, tally, accident).await?;
    for worker in workers {
        worker.stop().await?;
    }
    drop(second);
    tokio::task::block_in_place(|| world.engine.restart(&mut |_| {}))?;
    Ok(())
}

async fn second_node(world: &World) -> Result<Engine> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("tests is a folder of the workspace")?;
    let options = EngineOptions {
        product: world.engine.product(),
        home: root.join("target/engine"),
        dir: world.dir.join("second-engine"),
        port: 0,
        database: world.postgres.engine_database("engine")?,
        heap_mb: 512,
        ready_within: Duration::from_secs(180),
    };
    let engine = spawn_blocking(move || Engine::start(options, &mut |_| {})).await??;
    ensure!(engine.port() != world.engine.port(), "two nodes on one port");
    Ok(engine)
}
