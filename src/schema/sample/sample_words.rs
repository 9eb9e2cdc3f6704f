//! Plausible values by the names of properties.

use heck::ToSnakeCase;

/// Texts for properties whose name is, or ends with, one of the words; the first that fits counts.
const TEXTS: &[(&[&str], [&str; 3])] = &[
    (
        &["first_name", "given_name", "forename"],
        ["Ann", "Ben", "Cleo"],
    ),
    (
        &["last_name", "family_name", "surname"],
        ["Smith", "Okoro", "Martin"],
    ),
    (
        &[
            "user_name",
            "username",
            "login",
            "handle",
            "nick",
            "nickname",
        ],
        ["ann", "ben", "cleo"],
    ),
    (
        &["file_name", "filename", "file", "attachment"],
        ["report.pdf", "notes.txt", "photo.png"],
    ),
    (
        &["host_name", "hostname", "host", "domain"],
        ["example.com", "example.org", "example.net"],
    ),
    (
        &[
            "company",
            "organisation",
            "organization",
            "employer",
            "brand",
            "vendor",
            "supplier",
            "publisher",
        ],
        ["Example Ltd", "Northwind", "Acme"],
    ),
    (
        &["product", "item", "article"],
        ["Desk lamp", "Notebook", "Teapot"],
    ),
    (
        &["book", "book_title"],
        ["Emma", "Middlemarch", "Moby-Dick"],
    ),
    (
        &["project", "repository", "repo"],
        ["website", "billing", "search"],
    ),
    (&["team", "department"], ["Support", "Sales", "Design"]),
    (
        &["job_title", "position", "occupation", "profession"],
        ["Editor", "Nurse", "Engineer"],
    ),
    (
        &[
            "name",
            "full_name",
            "person",
            "reader",
            "user",
            "customer",
            "client",
            "owner",
            "author",
            "editor",
            "writer",
            "teacher",
            "student",
            "employee",
            "member",
            "contact",
            "recipient",
            "sender",
            "assignee",
            "reviewer",
            "patient",
            "guest",
            "player",
            "speaker",
            "caller",
            "manager",
            "by",
        ],
        ["Ann Smith", "Ben Okoro", "Cleo Martin"],
    ),
    (
        &["email", "mail", "email_address"],
        ["ann@example.com", "ben@example.com", "cleo@example.com"],
    ),
    (
        &["phone", "mobile", "telephone", "phone_number", "fax"],
        ["+14155550100", "+14155550101", "+14155550102"],
    ),
    (
        &[
            "image",
            "avatar",
            "photo",
            "picture",
            "logo",
            "image_url",
            "icon",
        ],
        [
            "https://example.com/1.png",
            "https://example.com/2.png",
            "https://example.com/3.png",
        ],
    ),
    (
        &[
            "url", "uri", "link", "href", "website", "homepage", "site", "webpage",
        ],
        [
            "https://example.com/guide",
            "https://example.com/news",
            "https://example.com/about",
        ],
    ),
    (
        &["ip", "ip_address"],
        ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    ),
    (&["country_code"], ["PT", "KE", "JP"]),
    (&["country", "nation"], ["Portugal", "Kenya", "Japan"]),
    (
        &["city", "town", "place", "location", "destination", "venue"],
        ["Lisbon", "Nairobi", "Kyoto"],
    ),
    (
        &["street", "address", "address_line"],
        ["12 Mill Lane", "7 Harbour Road", "3 Park Street"],
    ),
    (
        &["postcode", "postal_code", "zip", "zip_code"],
        ["1100-148", "00100", "6008001"],
    ),
    (
        &["region", "province", "area", "district", "branch"],
        ["North", "South", "West"],
    ),
    (&["language", "lang", "locale"], ["en", "pt", "ja"]),
    (&["currency"], ["EUR", "KES", "JPY"]),
    (
        &["time_zone", "timezone"],
        ["Europe/Lisbon", "Africa/Nairobi", "Asia/Tokyo"],
    ),
    (&["color", "colour"], ["blue", "green", "red"]),
    (
        &["path", "folder", "directory"],
        ["docs/report.md", "docs/notes.md", "docs/plan.md"],
    ),
    (
        &["isbn"],
        ["9780141439587", "9780141439549", "9780142437247"],
    ),
    (
        &["sku", "code", "order_number", "invoice_number"],
        ["AB-100", "AB-101", "AB-102"],
    ),
    (&["version"], ["1.0.0", "1.1.0", "2.0.0"]),
    (&["status", "state"], ["open", "closed", "waiting"]),
    (&["role"], ["editor", "reader", "admin"]),
    (
        &["mood", "tone", "style", "sentiment", "voice"],
        ["friendly", "plain", "formal"],
    ),
    (
        &[
            "category", "kind", "type", "group", "genre", "section", "shelf",
        ],
        ["travel", "history", "science"],
    ),
    (
        &[
            "tag", "label", "keyword", "topic", "theme", "interest", "skill",
        ],
        ["gardening", "cooking", "weather"],
    ),
    (
        &["severity", "priority", "level", "risk"],
        ["high", "medium", "low"],
    ),
    (&["weekday", "day_of_week"], ["Monday", "Tuesday", "Friday"]),
    (&["month"], ["January", "April", "September"]),
    (&["year"], ["2026", "2027", "2028"]),
    (
        &[
            "date", "day", "deadline", "due", "birthday", "due_date", "from", "until", "since",
            "on",
        ],
        ["2026-01-15", "2026-02-01", "2026-03-20"],
    ),
    (
        &["at", "time", "timestamp", "created", "updated", "datetime"],
        [
            "2026-01-15T09:30:00Z",
            "2026-02-01T14:00:00Z",
            "2026-03-20T18:45:00Z",
        ],
    ),
    (&["duration"], ["2 hours", "3 days", "1 week"]),
    (
        &["password", "secret"],
        ["not-a-real-secret", "nor-is-this", "or-that"],
    ),
    (
        &["title", "headline", "heading", "caption"],
        ["Getting started", "What comes next", "Open questions"],
    ),
    (
        &["subject"],
        [
            "Your order of Monday",
            "A question about opening hours",
            "Thank you",
        ],
    ),
    (
        &["summary", "abstract", "overview", "tldr", "synopsis"],
        [
            "The plan is sound; two dates have to move.",
            "Sales rose in spring.",
            "Most readers liked it.",
        ],
    ),
    (
        &["description", "details", "about", "bio"],
        [
            "A small town library with a reading room.",
            "A walk along the harbour.",
            "A lamp for a desk.",
        ],
    ),
    (
        &["question"],
        [
            "How do I get started?",
            "When are you open?",
            "What does it cost?",
        ],
    ),
    (
        &["query", "search", "q", "term", "search_term", "phrase"],
        ["opening hours", "clouds", "train to Lisbon"],
    ),
    (
        &[
            "reason",
            "rationale",
            "explanation",
            "justification",
            "why",
            "cause",
        ],
        [
            "It is short and fits what was asked for.",
            "Two sources say the same.",
            "The first date was taken.",
        ],
    ),
    (
        &[
            "answer", "reply", "response", "output", "result", "outcome", "greeting",
        ],
        [
            "Yes, we are open until six.",
            "It takes two days.",
            "That is done.",
        ],
    ),
    (
        &["comment", "note", "remark", "feedback", "review"],
        [
            "Looks good to me.",
            "Please check the second date.",
            "Shorter would be better.",
        ],
    ),
    (
        &[
            "advice",
            "recommendation",
            "suggestion",
            "tip",
            "action",
            "next_step",
            "step",
            "todo",
        ],
        [
            "Begin with the smallest change.",
            "Ask two readers.",
            "Write the date down.",
        ],
    ),
    (
        &[
            "goal",
            "task",
            "objective",
            "request",
            "instruction",
            "requirement",
            "feature",
        ],
        [
            "Write the release notes.",
            "Plan a reading evening.",
            "Tidy the glossary.",
        ],
    ),
    (
        &[
            "finding",
            "issue",
            "problem",
            "bug",
            "error",
            "warning",
            "risk_factor",
        ],
        [
            "The second link leads nowhere.",
            "The total is off by one.",
            "A date is missing.",
        ],
    ),
    (
        &["quote", "sentence", "line"],
        [
            "It was a bright cold day in April.",
            "Call me Ishmael.",
            "All this happened, more or less.",
        ],
    ),
    (
        &[
            "text",
            "content",
            "body",
            "message",
            "input",
            "prompt",
            "letter",
            "document",
            "draft",
            "paragraph",
            "passage",
            "transcript",
            "story",
            "post",
        ],
        [
            "The meeting moves to Tuesday at ten.",
            "The library is open until six.",
            "The train leaves at noon.",
        ],
    ),
];

/// Numbers for properties whose name is, or ends with, one of the words.
const NUMBERS: &[(&[&str], f64)] = &[
    (&["year"], 2026.0),
    (&["month"], 6.0),
    (&["day", "days"], 14.0),
    (&["hour", "hours"], 9.0),
    (
        &["minute", "minutes", "seconds", "timeout", "duration"],
        30.0,
    ),
    (&["age"], 34.0),
    (
        &[
            "price", "cost", "fee", "amount", "salary", "budget", "balance", "subtotal",
        ],
        19.99,
    ),
    (
        &["limit", "page_size", "per_page", "top_k", "max_results"],
        10.0,
    ),
    (
        &["page", "rank", "position", "version", "priority", "level"],
        1.0,
    ),
    (&["offset", "skip", "index"], 0.0),
    (
        &["count", "total", "quantity", "qty", "pieces", "copies"],
        3.0,
    ),
    (
        &[
            "score",
            "confidence",
            "probability",
            "similarity",
            "ratio",
            "relevance",
        ],
        0.87,
    ),
    (&["rating", "stars"], 4.0),
    (&["percent", "percentage", "progress"], 75.0),
    (&["latitude", "lat"], 38.72),
    (&["longitude", "lon", "lng"], -9.14),
    (&["temperature"], 21.5),
    (&["weight"], 2.5),
    (&["width"], 640.0),
    (&["height"], 480.0),
    (&["port"], 8080.0),
    (&["words", "tokens", "word_count", "characters"], 250.0),
];

/// A plausible text for the property `name`; other texts for other values of `vary`.
pub fn text_for(name: &str, vary: usize) -> String {
    let words = words_of(name);
    if is_id(&words) {
        return id(vary);
    }
    let texts = named(TEXTS, &words);
    if let Some(text) = texts.and_then(|texts| texts.get(vary)) {
        return (*text).to_owned();
    }
    let words = words.replace('_', " ");
    let sample = match (texts, words.as_str()) {
        (Some([first, ..]), _) => (*first).to_owned(),
        (None, "") => "Some text".to_owned(),
        (None, words) => format!("Some {words}"),
    };
    match vary {
        0 => sample,
        _ => format!("{sample} {}", vary + 1),
    }
}

/// A plausible number for the property `name`, if its name says anything.
pub fn number_for(name: &str) -> Option<f64> {
    named(NUMBERS, &words_of(name)).copied()
}

/// The words of a name, with `_` between them; a header is called as if it had no `X-`.
fn words_of(name: &str) -> String {
    let words = name.to_snake_case();
    match words.strip_prefix("x_") {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => words,
    }
}

/// An identifier; another one for another `vary`.
pub fn id(vary: usize) -> String {
    format!("01890a5d-ac96-774b-bcce-{:012x}", vary + 1)
}

fn is_id(words: &str) -> bool {
    let last = words.rsplit('_').next().unwrap_or_default();
    matches!(last, "id" | "ids" | "uuid" | "guid" | "identifier")
}

/// What `table` has for the name in `words`: for all of it, for its last two words, or for the last one, which may be in
/// the plural.
fn named<'t, T>(table: &'t [(&[&str], T)], words: &str) -> Option<&'t T> {
    let mut breaks = words.rmatch_indices('_').map(|(at, _)| at + 1);
    let last = breaks.next().unwrap_or_default();
    let last_two = breaks.next().unwrap_or_default();
    let ends = [words, &words[last_two..], &words[last..]];
    let find = |word: &str| {
        let row = table.iter().find(|(names, _)| names.contains(&word));
        row.map(|(_, value)| value)
    };
    ends.into_iter()
        .find_map(|end| find(end).or_else(|| find(&singular(end)?)))
}

fn singular(word: &str) -> Option<String> {
    let stem = word.strip_suffix('s').filter(|stem| !stem.ends_with('s'))?;
    Some(match stem.strip_suffix("ie") {
        Some(stem) => format!("{stem}y"),
        None => match stem.strip_suffix('e') {
            Some(short) if short.ends_with(['s', 'x', 'h']) => short.to_owned(),
            _ => stem.to_owned(),
        },
    })
}
