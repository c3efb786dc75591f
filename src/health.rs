//! Health checks: what decides whether a patch that runs is kept.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Something that can be asked whether the program is well.
pub(crate) trait Health: Send + Sync {
    /// What is wrong, if anything is.
    fn check(&self) -> Result<(), String>;
}

impl<F: Fn() -> Result<(), String> + Send + Sync> Health for F {
    fn check(&self) -> Result<(), String> {
        self()
    }
}

/// What `health` answers; a panic is a complaint.
pub(crate) fn asked(health: &dyn Health) -> Result<(), String> {
    caught(|| health.check())
}

/// Asks `check` at once, again and again for as long as `duration`, and once more at the end; the
/// first complaint, or the message of a panic, is the answer.
pub(crate) fn healthy(
    duration: Duration,
    mut check: impl FnMut() -> Result<(), String>,
) -> Result<(), String> {
    let started = Instant::now();
    let pause = (duration / 50).clamp(Duration::from_millis(1), Duration::from_secs(1));
    loop {
        let is_last = started.elapsed() >= duration;
        caught(&mut check)?;
        if is_last {
            return Ok(());
        }
        std::thread::sleep(pause.min(duration.saturating_sub(started.elapsed())));
    }
}

fn caught(check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(check))
        .unwrap_or_else(|panic| Err(format!("the health check panicked: {}", message_of(&*panic))))
}

/// The text of a panic's payload.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::healthy;
    use std::time::Duration;

    #[test]
    fn health_is_asked_until_the_end_and_the_first_complaint_counts() {
        let mut asked = 0;
        let check = || {
            asked += 1;
            Ok(())
        };
        assert_eq!(healthy(Duration::from_millis(20), check), Ok(()));
        assert!(asked >= 2, "asked {asked} times");
        let mut asked = 0;
        let check = || {
            asked += 1;
            if asked == 3 { Err(format!("complaint {asked}")) } else { Ok(()) }
        };
        assert_eq!(healthy(Duration::from_secs(60), check), Err("complaint 3".to_owned()));
        let panics = || std::panic::resume_unwind(Box::new("ill"));
        let told = healthy(Duration::from_secs(60), panics);
        assert_eq!(told, Err("the health check panicked: ill".to_owned()));
    }
}
