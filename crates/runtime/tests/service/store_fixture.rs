//! The stores that every test of a store runs on, each fresh.

use std::io::Write;
use std::path::PathBuf;

use agentgen_runtime::{Secret, Store};

/// A store of a test's own: memory, a file in a folder of its own, or a schema of its own.
pub struct TestStore {
    pub url: String,
    folder: Option<PathBuf>,
    schema: Option<(String, String)>,
}

impl TestStore {
    /// Opens it, as often as wanted; what is in memory is another one each time.
    pub async fn open(&self) -> Store {
        Store::open(&Secret::new(self.url.clone())).await.unwrap()
    }

    /// Whether what one opening keeps is there for another one.
    pub fn is_shared(&self) -> bool {
        self.url != "memory:"
    }

    /// Leaves nothing behind.
    pub async fn remove(self) {
        if let Some(folder) = self.folder {
            std::fs::remove_dir_all(folder).unwrap();
        }
        if let Some((url, schema)) = self.schema {
            execute(&url, format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }
}

/// A store in a file that is not there yet, in a folder that is not there yet.
pub fn sqlite_store() -> TestStore {
    let folder = std::env::temp_dir().join(format!("agentgen-{}", uuid::Uuid::new_v4()));
    let path = folder.join("data/agentgen.db");
    TestStore {
        url: format!("sqlite:{}", path.display()),
        folder: Some(folder),
        schema: None,
    }
}

/// Where PostgreSQL is, if it may be used: CI has one at the usual place.
fn postgres_url() -> Option<String> {
    let named = ["AGENTGEN_TEST_POSTGRES", "DATABASE_URL"];
    let named = named.iter().find_map(|name| std::env::var(name).ok());
    let usual = || "postgres://postgres@127.0.0.1:5432/test".to_owned();
    named.or_else(|| (std::env::var("CI").ok()? == "true").then(usual))
}

/// A store in a schema of PostgreSQL that nobody else uses.
pub async fn postgres_store() -> Option<TestStore> {
    let Some(url) = postgres_url() else {
        let message = "not run: tests on PostgreSQL, as AGENTGEN_TEST_POSTGRES names none\n";
        std::io::stdout().write_all(message.as_bytes()).unwrap();
        return None;
    };
    let schema = format!("test_{}", uuid::Uuid::new_v4().to_string().replace('-', ""));
    execute(&url, format!("CREATE SCHEMA {schema}")).await;
    let join = if url.contains('?') { '&' } else { '?' };
    Some(TestStore {
        url: format!("{url}{join}options[search_path]={schema}"),
        folder: None,
        schema: Some((url, schema)),
    })
}

async fn execute(url: &str, statement: String) {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let statement = sqlx::AssertSqlSafe(statement);
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .unwrap();
}

/// Runs a test on each kind of store.
pub async fn on_each_store(test: impl AsyncFn(&TestStore)) {
    let memory = TestStore {
        url: "memory:".to_owned(),
        folder: None,
        schema: None,
    };
    for test_store in [Some(memory), Some(sqlite_store()), postgres_store().await]
        .into_iter()
        .flatten()
    {
        test(&test_store).await;
        test_store.remove().await;
    }
}
