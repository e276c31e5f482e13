//! The server of the bench: a Postgres of its own, orders whose steps can be in trouble, and the tools that come with it.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use fallout_core::{
    ids::StepKey,
    step::{Direction, StepIdentity},
};
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_store::{Scope, Store, server};
use uuid::Uuid;

use crate::worklist;

pub const TENANT: &str = "bench";
/// As the program works: a role that owns nothing, under row-level security.
const PROGRAM: &str = "fallout_app";
const STEP: &str = "provision";
const WORKLISTS: &str = "worklists";
/// What the manual of PostgreSQL begins with: a quarter of the memory, here of a machine for a million cases.
const BUFFERS: &str = "2GB";

#[derive(Debug)]
pub struct Place {
    pub postgres: Postgres,
}

impl Place {
    pub async fn start() -> Result<Place> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/bench-desk");
        let dir = suitable_dir(&std::path::absolute(root)?);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir)?;
        let postgres = Postgres::start(PostgresOptions { dir, databases: vec!["fallout".into()], port: 0 })?;
        let mut place = Place { postgres };
        place.psql(&format!("alter system set shared_buffers = '{BUFFERS}'"))?;
        place.postgres.restart()?;
        place.migrated("fallout").await?.close().await;
        Ok(place)
    }

    /// One of its databases with our tables, as the program's role.
    async fn migrated(&self, database: &str) -> Result<Store> {
        self.postgres.add_role(database, PROGRAM)?;
        let store = Store::new(&self.postgres.socket_url_as(database, PROGRAM), 2)?;
        let store = store.owned_by(&self.postgres.socket_url(database))?;
        store.migrate().await?;
        Ok(store)
    }

    /// The 99th percentile of a worklist's pages over so many cases, in ms; in a database of its own.
    pub async fn worklist(&self, cases: u32) -> Result<f64> {
        self.postgres.add_database(WORKLISTS)?;
        let store = self.migrated(WORKLISTS).await?;
        let p99 = worklist::run(&store, &self.postgres.admin_url(WORKLISTS), cases).await?;
        store.close().await;
        Ok(p99)
    }

    pub fn database(&self) -> String {
        self.postgres.socket_url_as("fallout", PROGRAM)
    }

    /// What the figures were taken on.
    pub async fn describe(&self) -> Result<String> {
        let store = Store::new(&self.database(), 1)?;
        let mut tx = store.begin(&Scope::System("bench")).await?;
        let settings = server::durability(&mut tx).await?;
        tx.commit().await?;
        store.close().await;
        let settings = settings.iter().map(|s| format!("{} {}", s.name, s.value)).collect::<Vec<_>>().join(", ");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Ok(format!(
            "PostgreSQL {} ({settings}, shared_buffers {BUFFERS}), all on the same {cores} cores",
            self.postgres.major()
        ))
    }

    /// As superuser, past the policies: what a bench finds there before it begins.
    pub fn psql(&self, sql: &str) -> Result<String> {
        let mut child = Command::new(self.postgres.program("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.postgres.admin_url("fallout")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting psql")?;
        child.stdin.take().context("the input of psql")?.write_all(sql.as_bytes())?;
        let out = child.wait_with_output()?;
        ensure!(out.status.success(), "psql ended with {}", out.status);
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// Orders `<prefix>-0` to `<prefix>-<orders - 1>`, each with one step that runs.
    pub fn seed(&self, prefix: &str, orders: usize) -> Result<()> {
        let (mut order, mut run, mut step) = (String::new(), String::new(), String::new());
        for n in 0..orders {
            let identity = identity(prefix, n);
            let (id, run_id, name) = (Uuid::now_v7(), Uuid::now_v7(), &identity.order);
            let key = identity.business_key();
            let document = format!(r#"{{"id": "{name}", "productOrderItem": [{{"id": "1", "action": "add"}}]}}"#);
            writeln!(order, "{id}\t{TENANT}\t{name}\t{document}")?;
            writeln!(run, "{run_id}\t{TENANT}\t{id}\t1\t{key}\tinstance-{run_id}\trunning")?;
            let of = format!("d:1\tcalled-{run_id}\tperform\ttask-{run_id}");
            writeln!(step, "{}\t{TENANT}\t{run_id}\t1\t{STEP}\tdo\tprovisioning.add\t{of}", StepKey::of(&identity))?;
        }
        let copies = [
            ("product_order (id, tenant_id, external_id, document)", order),
            ("order_run (id, tenant_id, order_id, run, business_key, process_instance_id, state)", run),
            (
                "step (id, tenant_id, order_run_id, line_id, step_code, direction, operation, process_definition_id,
                 process_instance_id, activity_id, external_task_id)",
                step,
            ),
        ];
        let sql: String = copies.iter().map(|(t, rows)| format!("copy {} from stdin;\n{rows}\\.\n", flat(t))).collect();
        self.psql(&(sql + "analyze;\n"))?;
        Ok(())
    }

    /// Transactions per second of a script, with prepared statements.
    pub fn pgbench(&self, script: &str, clients: usize, seconds: u64) -> Result<f64> {
        let file = self.postgres.socket_dir().join("script.sql");
        std::fs::write(&file, script)?;
        let threads = clients.min(2).to_string();
        let out = Command::new(self.postgres.program("pgbench"))
            .args([
                "-n",
                "-M",
                "prepared",
                "-j",
                &threads,
                "-c",
                &clients.to_string(),
                "-T",
                &seconds.to_string(),
                "-f",
            ])
            .arg(&file)
            .arg(self.database())
            .output()
            .context("starting pgbench")?;
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        ensure!(out.status.success(), "pgbench: {}", String::from_utf8_lossy(&out.stderr));
        ensure!(said.contains("number of failed transactions: 0 "), "transactions of pgbench failed: {said}");
        let tps = said.lines().find_map(|l| l.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        tps.with_context(|| format!("pgbench told no rate: {said}"))
    }
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub fn identity(prefix: &str, n: usize) -> StepIdentity {
    StepIdentity {
        tenant: TENANT.into(),
        order: format!("{prefix}-{n}"),
        run: 1,
        line: "1".into(),
        step: STEP.into(),
        direction: Direction::Do,
    }
}
