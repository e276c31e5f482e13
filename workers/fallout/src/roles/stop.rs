//! When a person or the system asks the process to end: the first signal drains, a second one ends it at once.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// A receiver that turns true on SIGINT or SIGTERM. The second signal exits with 130, as a shell expects of an
/// interrupted program.
pub fn on_signal() -> std::io::Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        wait(&mut interrupt, &mut terminate).await;
        stop.send_replace(true);
        wait(&mut interrupt, &mut terminate).await;
        std::process::exit(130);
    });
    Ok(stopped)
}

async fn wait(interrupt: &mut tokio::signal::unix::Signal, terminate: &mut tokio::signal::unix::Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Waits until the receiver is true or its sender is gone.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
