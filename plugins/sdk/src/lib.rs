//! What a plugin of trialbridge is written with, and tested with.

#![warn(missing_debug_implementations)]

mod backend;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod component;
mod detail;
mod error;
mod event;
mod host;
#[cfg(feature = "http")]
pub mod http;
mod kv;
mod log;
mod online_trial;
mod plugin;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod trials;

pub use self::detail::{Detail, seconds};
pub use self::error::{Error, Failure, permanent, retry, retry_after};
pub use self::event::{Delivery, Event, NewEvent};
pub use self::host::Host;
pub use self::kv::{Bucket, Entries};
pub use self::log::Level;
pub use self::online_trial::{OnlineTrial, TrialDetail};
pub use self::plugin::{Access, Description, Need, Plugin};
pub use self::trials::{Change, Page, Trial, Trials};

/// Makes a component of the plugin. Once in a crate, for one type that implements [`Plugin`]; in native builds it does nothing.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::component::Exported<$plugin>;
    $crate::component::bindings::export_component!(Exported with_types_in $crate::component::bindings);
        };
    };
}
