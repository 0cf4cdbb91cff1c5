//! Panics: told by where they happened. A panic's message may quote what it stumbled over, and that may be personal,
//! so only messages that are fixed in the program are told.

use std::any::Any;
use std::cell::RefCell;
use std::panic;

thread_local! {
    /// Where this thread panicked last. A future is unwound on the thread that polled it, so whoever catches the
    /// panic finds it here.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From here on, panics are logged with their place instead of being printed with their message.
pub fn watch() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        tracing::error!(place, cause = fixed(info.payload()), "panic");
        PLACE.set(place);
    }));
}

/// What is told of a panic that was caught on this thread.
pub(super) fn describe(payload: &(dyn Any + Send)) -> String {
    match PLACE.take() {
        Some(place) => format!("panic at {place}: {}", fixed(payload)),
        None => format!("panic: {}", fixed(payload)),
    }
}

fn fixed(payload: &dyn Any) -> &str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(message withheld)")
}
