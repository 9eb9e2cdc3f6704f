//! Empty stores of each kind.

use std::io::Write;
use std::path::PathBuf;

use agentgen_runtime::{Secret, Store};

/// An exclusive store of one test: memory, a file in its own folder, or a PostgreSQL schema.
pub struct TestStore {
    pub url: String,
    folder: Option<PathBuf>,
    pub schema: Option<(String, String)>,
}

impl TestStore {
    /// Opens the store. Each call for memory returns a new, empty store.
    pub async fn open(&self) -> Store {
        Store::open(&Secret::new(self.url.clone())).await.unwrap()
    }

    /// Whether a second `open` sees the same data.
    pub fn is_shared(&self) -> bool {
        self.url != "memory:"
    }

    /// Changes the database, which is PostgreSQL's.
    pub async fn execute(&self, statement: &'static str) {
        execute(&self.url, statement.to_owned()).await;
    }

    /// Removes everything that the test created.
    pub async fn remove(self) {
        if let Some(folder) = self.folder {
            std::fs::remove_dir_all(folder).unwrap();
        }
        if let Some((url, schema)) = self.schema {
            execute(&url, format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }
}

/// A SQLite store whose file and folder do not exist yet.
pub fn sqlite_store() -> TestStore {
    let folder = std::env::temp_dir().join(format!("agentgen-{}", uuid::Uuid::new_v4()));
    let path = folder.join("data/agentgen.db");
    TestStore {
        url: format!("sqlite:{}", path.display()),
        folder: Some(folder),
        schema: None,
    }
}

/// The URL of PostgreSQL from the environment, or the default URL in CI.
fn postgres_url() -> Option<String> {
    let named = ["AGENTGEN_TEST_POSTGRES", "DATABASE_URL"];
    let named = named.iter().find_map(|name| std::env::var(name).ok());
    let usual = || "postgres://postgres@127.0.0.1:5432/test".to_owned();
    named.or_else(|| (std::env::var("CI").ok()? == "true").then(usual))
}

/// A store in its own PostgreSQL schema, if a server is configured.
pub async fn postgres_store() -> Option<TestStore> {
    let Some(url) = postgres_url() else {
        let message = "skipped: tests on PostgreSQL, because AGENTGEN_TEST_POSTGRES is not set\n";
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

pub async fn execute(url: &str, statement: String) {
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
