//! The black-box tests of agentgen-schema, in one binary; the official test suite is the other one.

mod schema_agreement;
mod schema_compile_errors;
mod schema_cost;
mod schema_growth;
mod schema_violations;
