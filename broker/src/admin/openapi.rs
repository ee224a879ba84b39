//! `/openapi.json`: the description of everything that is served, in OpenAPI 3.1.
//!
//! Made of what serves: paths of [`ENDPOINTS`], parameters of the questions' own rows, answers of the very types that are
//! answered.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use recommender::judging::{Evaluation, Wanted};
use recommender::processor::{FeaturesOf, ItemFeatures, UserFeatures};
use recommender::serving::reply::{Batch, Neighbours, Ranked, Recommendations, SimilarItems};
use recommender::{Form, HeavyHitters, HotList, Kind, Parameter as Row};
use utoipa::ToSchema;
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, ParameterStyle,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{
    ComponentsBuilder, Content, ContentBuilder, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, PathItem,
    PathsBuilder, Ref, RefOr, Required, ResponseBuilder, ResponsesBuilder,
};

use super::error::ErrorAnswer;
use super::events::{EVENTS_MAX, EventsAnswer, LikeAnswer};
use super::health::Status;
use super::{ENDPOINTS, Endpoint, Index, Serves};

const JSON: &str = "application/json";

/// `GET /openapi.json`.
pub(super) async fn serve() -> Response {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| document().to_pretty_json().expect("a description serialises") + "\n");
    let mut response = Response::new(Body::from(TEXT.as_str()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

/// The description.
fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("kindred")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Recommendations learnt from events, and events in. Every error is an object `error`.",
        ))
        .license(Some(utoipa::openapi::License::new("Apache-2.0")))
        .build();
    let mut schemas = Vec::new();
    let paths = ENDPOINTS.iter().fold(PathsBuilder::new(), |paths, endpoint| {
        paths.path(endpoint.path, PathItem::new(method_of(endpoint), operation_of(endpoint, &mut schemas)))
    });
    let components = ComponentsBuilder::new().schemas_from_iter(schemas).build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
}

fn method_of(endpoint: &Endpoint) -> HttpMethod {
    if endpoint.method == "POST" { HttpMethod::Post } else { HttpMethod::Get }
}

fn operation_of(endpoint: &Endpoint, schemas: &mut Schemas) -> Operation {
    let error = answer::<ErrorAnswer<'_>>(schemas);
    let fine = match endpoint.serves {
        Serves::Metrics => Some(("text/plain", ContentBuilder::new().schema(Some(string())).build())),
        Serves::Description => Some((JSON, ContentBuilder::new().schema(Some(object())).build())),
        Serves::Index => Some((JSON, answer::<Index>(schemas))),
        Serves::Health | Serves::Readiness => Some((JSON, answer::<Status>(schemas))),
        Serves::Query(kind) | Serves::Question(kind) => Some((JSON, answer_to(kind, schemas))),
        Serves::Evaluation => Some((JSON, answer::<Evaluation>(schemas))),
        Serves::UserFeatures => Some((JSON, answer::<UserFeatures>(schemas))),
        Serves::ItemFeatures => Some((JSON, answer::<ItemFeatures>(schemas))),
        Serves::Events => Some((JSON, answer::<EventsAnswer<'_>>(schemas))),
        Serves::Like => Some((JSON, answer::<LikeAnswer>(schemas))),
    };
    let responses = ResponsesBuilder::new();
    let responses = fine.into_iter().fold(responses, |responses, (media, content)| {
        responses.response("200", ResponseBuilder::new().description("Served.").content(media, content))
    });
    let refused = ResponseBuilder::new().description("Not served: the error says why.").content(JSON, error);
    OperationBuilder::new()
        .operation_id(Some(name_of(endpoint.serves)))
        .summary(Some(endpoint.about))
        .parameters(Some(parameters_of(endpoint)))
        .request_body(body_of(endpoint.serves))
        .responses(responses.response("default", refused))
        .build()
}

/// A name for functions that call it.
fn name_of(serves: Serves) -> &'static str {
    match serves {
        Serves::Index => "index",
        Serves::Description => "openapi",
        Serves::Health => "healthz",
        Serves::Readiness => "readyz",
        Serves::Metrics => "metrics",
        Serves::Query(kind) | Serves::Question(kind) => kind.name(),
        Serves::Evaluation => "evaluation",
        Serves::UserFeatures => "user-features",
        Serves::ItemFeatures => "item-features",
        Serves::Events => "events",
        Serves::Like => "like",
    }
}

/// Schemas by name.
type Schemas = Vec<(String, RefOr<Schema>)>;

/// An answer of a type, whose schema joins the others.
fn answer<T: ToSchema>(schemas: &mut Schemas) -> Content {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
    ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name()))).build()
}

fn answer_to(kind: Kind, schemas: &mut Schemas) -> Content {
    match kind {
        Kind::Recommendations | Kind::Session => answer::<Recommendations>(schemas),
        Kind::Rank => answer::<Ranked>(schemas),
        Kind::Batch => answer::<Batch>(schemas),
        Kind::Similar => answer::<SimilarItems>(schemas),
        Kind::Neighbours => answer::<Neighbours>(schemas),
        Kind::Hot => answer::<HotList>(schemas),
        Kind::HeavyHitters => answer::<HeavyHitters>(schemas),
    }
}

/// The parameters in path and query.
fn parameters_of(endpoint: &Endpoint) -> Vec<Parameter> {
    let rows = match endpoint.serves {
        Serves::Query(kind) => kind.parameters(),
        Serves::Evaluation => Wanted::PARAMETERS,
        Serves::UserFeatures => FeaturesOf::USER,
        Serves::ItemFeatures => FeaturesOf::ITEM,
        _ => return Vec::new(),
    };
    let described = |row: &&Row| {
        let in_path = endpoint.path.contains(&format!("{{{}}}", row.name));
        let (place, required) =
            if in_path { (ParameterIn::Path, Required::True) } else { (ParameterIn::Query, Required::False) };
        let parameter = ParameterBuilder::new()
            .name(row.name)
            .parameter_in(place)
            .required(required)
            .description(Some(row.about))
            .schema(Some(schema_of(row, &|| string().into())));
        match row.form {
            // With commas between.
            Form::Ids { .. } => parameter.style(Some(ParameterStyle::Form)).explode(Some(false)).build(),
            _ => parameter.build(),
        }
    };
    rows.iter().map(described).collect()
}

fn body_of(serves: Serves) -> Option<RequestBody> {
    let schema: Schema = match serves {
        Serves::Question(kind) => question(kind).into(),
        Serves::Events => {
            let event =
                || object().description(Some("An event, in any shape that the topic user_behavior takes."));
            let events = ArrayBuilder::new().items(event()).min_items(Some(1)).max_items(Some(EVENTS_MAX));
            OneOfBuilder::new().item(event()).item(events).into()
        }
        Serves::Like => {
            let like = ["user_id", "content_id"]
                .into_iter()
                .fold(object(), |like, name| like.property(name, id()).required(name));
            like.property("title", string()).into()
        }
        _ => return None,
    };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    Some(RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build())
}

/// The object that a question is.
fn question(kind: Kind) -> Object {
    let members = kind.parameters().iter().fold(object(), |members, row| {
        let schema = schema_of(row, &id);
        members.property(row.name, described(schema, row.about))
    });
    let members = kind.required().iter().fold(members, |members, name| members.required(*name));
    members
        .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(false)))
        .build()
}

/// The schema of a parameter. `id`: how an id is written.
fn schema_of(row: &Row, id: &dyn Fn() -> Schema) -> Schema {
    let of = |kind| ObjectBuilder::new().schema_type(SchemaType::Type(kind));
    match row.form {
        Form::Whole { least, most, default } => {
            of(Type::Integer).minimum(Some(least)).maximum(Some(most)).default(default.map(Into::into)).into()
        }
        Form::Flag => of(Type::Boolean).default(Some(false.into())).into(),
        Form::Text => of(Type::String).into(),
        Form::Word { words, default } => {
            of(Type::String).enum_values(Some(words())).default(default.map(Into::into)).into()
        }
        Form::Id => id(),
        Form::Ids { most } => ArrayBuilder::new().items(RefOr::T(id())).max_items(Some(most)).into(),
    }
}

fn described(schema: Schema, about: &str) -> Schema {
    match schema {
        Schema::Object(mut object) => {
            object.description = Some(about.to_owned());
            Schema::Object(object)
        }
        Schema::Array(mut array) => {
            array.description = Some(about.to_owned());
            Schema::Array(array)
        }
        Schema::OneOf(mut one_of) => {
            one_of.description = Some(about.to_owned());
            Schema::OneOf(one_of)
        }
        other => other,
    }
}

fn object() -> ObjectBuilder {
    ObjectBuilder::new()
}

fn string() -> ObjectBuilder {
    object().schema_type(SchemaType::Type(Type::String))
}

/// An id in JSON.
fn id() -> Schema {
    OneOfBuilder::new().item(string()).item(object().schema_type(SchemaType::Type(Type::Integer))).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::super::testing::{Call, Stage};
    use super::*;

    /// What `value` has that `schema` does not allow, or lacks.
    fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let found = document.pointer(&reference[1..]).ok_or(format!("{reference} leads nowhere"))?;
            return check(document, found, value, at);
        }
        if let Some(of) = schema["oneOf"].as_array() {
            let fits = of.iter().any(|one| check(document, one, value, at).is_ok());
            return if fits { Ok(()) } else { Err(format!("{at}: {value} fits none")) };
        }
        let fits = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            other => return Err(format!("{at}: a schema of type {other:?}")),
        };
        if !fits || schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            return Err(format!("{at}: {value} is not as {schema}"));
        }
        for element in value.as_array().into_iter().flatten() {
            check(document, &schema["items"], element, &format!("{at}[]"))?;
        }
        let mut missing = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(missing) = missing.find(|name| value.get(name).is_none()) {
            return Err(format!("{at}: no {missing} in {value}"));
        }
        for (name, member) in value.as_object().into_iter().flatten() {
            let inner = schema["properties"].get(name).ok_or(format!("{at}.{name} is not described"))?;
            check(document, inner, member, &format!("{at}.{name}"))?;
        }
        Ok(())
    }

    fn stage() -> Stage {
        let stage = Stage::with(&[("recommender.heavy.hitters.max", "10")]);
        stage.learn_item(r#"{"item_id":"lamp","title":"Lamp","categories":["light"]}"#);
        for (user, item) in
            [("ann", "lamp"), ("ann", "desk"), ("bob", "lamp"), ("bob", "desk"), ("cid", "lamp")]
        {
            stage.learn(user, item);
        }
        stage
    }

    /// The schema of an answer of this status.
    fn answer_schema<'a>(document: &'a Value, path: &str, method: &str, status: &str) -> &'a Value {
        &document["paths"][path][method]["responses"][status]["content"][JSON]["schema"]
    }

    #[tokio::test]
    async fn everything_that_is_served_is_described_and_nothing_else() {
        let document = stage().call(Call::get("/openapi.json")).await.body;
        assert_eq!(document["openapi"], "3.1.0");
        let mut described = BTreeSet::new();
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                described.insert((method.to_uppercase(), path.clone()));
                assert!(names.insert(operation["operationId"].as_str().unwrap()), "{operation}: named twice");
                let in_path = operation["parameters"].as_array().into_iter().flatten();
                let in_path = in_path.filter(|parameter| parameter["in"] == "path").count();
                assert_eq!(path.matches('{').count(), in_path, "{path}");
            }
        }
        let served = ENDPOINTS.iter().map(|endpoint| (endpoint.method.to_owned(), endpoint.path.to_owned()));
        assert_eq!(described, served.collect());
        assert!(serde_json::from_value::<OpenApi>(document).is_ok());
    }

    #[tokio::test]
    async fn answers_are_as_described() {
        let stage = stage();
        let document = stage.call(Call::get("/openapi.json")).await.body;
        let event = json!({"user_id": 1, "item_id": 2, "action": "view"});
        for (method, path, asked, body) in [
            ("get", "/", "/", Value::Null),
            ("get", "/healthz", "/healthz", Value::Null),
            ("get", "/readyz", "/readyz", Value::Null),
            ("get", "/api/v1/hot", "/api/v1/hot?category=light", Value::Null),
            ("get", "/api/v1/heavy-hitters", "/api/v1/heavy-hitters", Value::Null),
            ("get", "/api/v1/items/{item_id}/similar", "/api/v1/items/lamp/similar", Value::Null),
            (
                "get",
                "/api/v1/users/{user_id}/recommendations",
                "/api/v1/users/cid/recommendations?explain=true&seen=true",
                Value::Null,
            ),
            (
                "get",
                "/api/v1/users/{user_id}/recommendations",
                "/api/v1/users/eve/recommendations",
                Value::Null,
            ),
            ("get", "/api/v1/items/{item_id}/features", "/api/v1/items/lamp/features", Value::Null),
            ("get", "/api/v1/evaluation", "/api/v1/evaluation?window=each", Value::Null),
            ("get", "/api/v1/users/{user_id}/neighbours", "/api/v1/users/ann/neighbours", Value::Null),
            ("post", "/api/v1/sessions/recommend", "/api/v1/sessions/recommend", json!({"items": ["lamp"]})),
            (
                "post",
                "/api/v1/rank",
                "/api/v1/rank",
                json!({"user_id": "cid", "candidates": ["desk", "sofa"]}),
            ),
            ("post", "/api/v1/recommend/batch", "/api/v1/recommend/batch", json!({"users": ["cid", "eve"]})),
            ("post", "/api/v1/events", "/api/v1/events", json!([event, {"user_id": 1}])),
            ("post", "/api/v1/events", "/api/v1/events", event.clone()),
            (
                "post",
                "/recommendation/likes",
                "/recommendation/likes",
                json!({"user_id": "ann", "content_id": "desk"}),
            ),
            (
                "post",
                "/recommendation/likes",
                "/recommendation/likes",
                json!({"user_id": "eve", "content_id": 1}),
            ),
        ] {
            let answer = stage.call(Call::new(&method.to_uppercase(), asked, &body.to_string())).await;
            assert_eq!(answer.status, 200, "{asked}: {}", answer.text);
            check(&document, answer_schema(&document, path, method, "200"), &answer.body, asked).unwrap();
            let described = &document["paths"][path][method]["requestBody"]["content"][JSON]["schema"];
            if path.contains("v1/r") || path.contains("sessions") {
                check(&document, described, &body, "the body").unwrap();
            }
        }
        let refused = stage.call(Call::get("/api/v1/items/sofa/similar")).await;
        let schema = answer_schema(&document, "/api/v1/items/{item_id}/similar", "get", "default");
        check(&document, schema, &refused.body, "error").unwrap();
        assert!(check(&document, schema, &json!({"error": {"code": "c"}}), "error").is_err());
        assert!(check(&document, schema, &json!({"error": {"code": 1, "message": ""}}), "error").is_err());
    }
}
