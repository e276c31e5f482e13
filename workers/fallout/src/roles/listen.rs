//! What the database notifies of, passed on to whoever sleeps. Without it everything goes on by ticking.

use std::sync::Arc;

use fallout_desk::{Desk, Woken};
use fallout_fleet::Away;
use tokio::sync::Notify;

/// Never ends by itself. A wake-up that names nothing wakes everybody.
pub async fn listen(desk: Desk, sleepers: Vec<(Woken, Arc<Notify>)>) {
    let mut away = Away::new("the database's notifications");
    loop {
        if let Ok(mut wakeups) = desk.wakeups().await {
            away.answered();
            // Whatever came before the connection stood was not heard.
            sleepers.iter().for_each(|(_, sleeper)| sleeper.notify_one());
            while let Ok(woken) = wakeups.next().await {
                let meant = sleepers.iter().filter(|(of, _)| woken.is_none_or(|woken| woken == *of));
                meant.for_each(|(_, sleeper)| sleeper.notify_one());
            }
        }
        tokio::time::sleep(away.pause()).await;
    }
}
