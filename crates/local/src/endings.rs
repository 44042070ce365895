//! What tells the process to end, for commands that have something to do before they do.

use anyhow::Result;

/// How the process was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// From the terminal (SIGINT, Ctrl-C).
    Interrupted,
    /// By whoever manages it (SIGTERM).
    Terminated,
}

impl Ending {
    /// The exit status that a shell tells of a process which the signal ended.
    pub(crate) fn exit_status(self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// What tells the process to end.
pub(crate) struct Endings {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Endings {
    /// From now on, the process ends as its code says.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub(crate) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits until the process is told to end, once more.
    pub(crate) async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.terminate.recv() => Ending::Terminated,
            _ = self.interrupt.recv() => Ending::Interrupted,
        }
    }
}

#[cfg(not(unix))]
impl Endings {
    /// From now on, the process ends as its code says.
    ///
    /// # Errors
    /// None.
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {})
    }

    /// Waits until the process is told to end, once more.
    pub(crate) async fn next(&mut self) -> Ending {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Ending::Interrupted
    }
}
