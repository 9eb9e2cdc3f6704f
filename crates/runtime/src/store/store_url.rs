//! The URL of a store: the setting `store.url`.

use crate::error::start_error::SettingError;

/// The setting.
pub(crate) const SETTING: &str = "store.url";

/// The URL of a store. It has no `Debug`, since it may contain a password.
#[derive(Clone)]
pub(crate) enum StoreUrl {
    /// In memory.
    Memory,
    /// In one file.
    #[cfg(feature = "sqlite")]
    Sqlite(std::path::PathBuf),
    /// In a database.
    #[cfg(feature = "postgres")]
    Postgres(Box<sqlx::postgres::PgConnectOptions>),
}

impl StoreUrl {
    /// Reads `sqlite:PATH`, `postgres://…` or `memory:`.
    ///
    /// # Errors
    /// What is wrong with the URL. The text does not repeat it, since it may contain a password.
    pub(crate) fn parse(url: &str) -> Result<Self, SettingError> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "sqlite" => sqlite(rest),
            "postgres" | "postgresql" => postgres(url),
            _ => Err(wrong(
                "must be sqlite:PATH, postgres://USER@HOST/DATABASE or memory:",
            )),
        }
    }

    /// Whether processes on several machines can use the store.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
            _ => false,
        }
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(rest: &str) -> Result<StoreUrl, SettingError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path == ":memory:" {
        return Err(wrong(
            "names no file: sqlite:PATH keeps sessions in one, memory: in none",
        ));
    }
    if path.contains('?') {
        return Err(wrong("has parameters, and sqlite:PATH takes none"));
    }
    Ok(StoreUrl::Sqlite(path.into()))
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<StoreUrl, SettingError> {
    let options = url.parse::<sqlx::postgres::PgConnectOptions>();
    let options = options.map_err(|_| {
        wrong(
            "is not a URL like postgres://USER:PASSWORD@HOST:PORT/DATABASE; special characters in a part of it are \
             written with %",
        )
    })?;
    Ok(StoreUrl::Postgres(Box::new(options)))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> Result<StoreUrl, SettingError> {
    Err(SettingError::missing_feature(SETTING, "sqlite"))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<StoreUrl, SettingError> {
    Err(SettingError::missing_feature(SETTING, "postgres"))
}

fn wrong(detail: impl Into<String>) -> SettingError {
    SettingError::new(SETTING, detail)
}
