//! The schemas of a service's endpoints, compiled before it starts.

use std::collections::BTreeMap;

use crate::error::start_error::StartError;
use crate::schema::Schema;
use crate::spec::endpoint_spec::EndpointSpec;

/// Compiled schemas, by their text.
#[derive(Debug, Default)]
pub(crate) struct EndpointSchemas(BTreeMap<&'static str, Schema>);

impl EndpointSchemas {
    /// Compiles the schemas of `endpoints`. Those that `previous` has are taken from there.
    ///
    /// # Errors
    /// A schema that does not compile.
    pub(crate) fn compile(
        endpoints: impl Iterator<Item = &'static EndpointSpec>,
        previous: Option<&Self>,
    ) -> Result<Self, StartError> {
        let mut schemas = Self::default();
        for endpoint in endpoints {
            for (role, text) in [
                ("input", endpoint.input_schema),
                ("output", endpoint.output_schema),
            ] {
                let known = schemas.0.get(text);
                let known = known.or_else(|| previous?.0.get(text)).cloned();
                let schema = match known {
                    Some(schema) => schema,
                    None => compile_schema(role, endpoint.operation_id, text)?,
                };
                schemas.0.insert(text, schema);
            }
        }
        Ok(schemas)
    }

    /// The schema of an endpoint's requests.
    ///
    /// # Errors
    /// The endpoint is not one of the service's, and its schema does not compile.
    pub(crate) fn input(&self, endpoint: &EndpointSpec) -> Result<Schema, StartError> {
        self.get("input", endpoint.operation_id, endpoint.input_schema)
    }

    /// The schema of an endpoint's responses.
    ///
    /// # Errors
    /// As [`input`](Self::input).
    pub(crate) fn output(&self, endpoint: &EndpointSpec) -> Result<Schema, StartError> {
        self.get("output", endpoint.operation_id, endpoint.output_schema)
    }

    /// A handler may call an endpoint that is not mounted; its schema is compiled with each call.
    fn get(
        &self,
        role: &str,
        operation_id: &'static str,
        text: &str,
    ) -> Result<Schema, StartError> {
        let compiled = self.0.get(text).cloned();
        compiled.map_or_else(|| compile_schema(role, operation_id, text), Ok)
    }
}

/// Compiles the input or output schema of an operation.
///
/// # Errors
/// The text is not JSON, or the schema does not compile.
pub(crate) fn compile_schema(
    role: &str,
    operation_id: &'static str,
    text: &str,
) -> Result<Schema, StartError> {
    let wrong = |detail: String| StartError::Schema {
        operation_id,
        detail: format!("the {role} schema does not compile: {detail}"),
    };
    let document = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    Schema::compile(&document).map_err(|error| wrong(error.to_string()))
}
