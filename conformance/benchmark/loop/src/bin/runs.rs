//! `runs URL RUNS CONCURRENT`: asks a service RUNS times, CONCURRENT at a time, and prints runs per second and the median and the
//! 99th percentile of a run in milliseconds.

use std::error::Error;
use std::time::Instant;

use futures_util::{StreamExt, stream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, runs, concurrent] = &arguments[..] else {
        return Err("runs URL RUNS CONCURRENT".into());
    };
    let (runs, concurrent): (usize, usize) = (runs.parse()?, concurrent.parse()?);
    let client = reqwest::Client::new();
    let began = Instant::now();
    let times = stream::iter(0..runs).map(async |_| {
        let began = Instant::now();
        let response = client
            .post(url)
            .header("content-type", "application/json")
            .body(r#"{"input":"Where are the maps of the harbour?"}"#)
            .send()
            .await?;
        let text = response.error_for_status()?.text().await?;
        if !text.contains("The maps are on shelf 4.") {
            return Err(format!("another answer: {text}").into());
        }
        Ok::<_, Box<dyn Error>>(began.elapsed().as_secs_f64() * 1000.0)
    });
    let times: Vec<_> = times.buffer_unordered(concurrent).collect().await;
    let took = began.elapsed().as_secs_f64();
    let mut times = times.into_iter().collect::<Result<Vec<_>, _>>()?;
    times.sort_by(f64::total_cmp);
    println!(
        "{:.0} {:.1} {:.1}",
        runs as f64 / took,
        times[runs / 2],
        times[runs * 99 / 100]
    );
    Ok(())
}
