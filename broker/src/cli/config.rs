//! `kindred config`: settings of a running broker, its topics and groups, shown and changed over the Kafka protocol.
//!
//! The same requests as those of `kafka-configs`, so what one of the two sets the other shows.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::{Args, Subcommand};
use protocol::messages::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse,
};
use protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use serde_json::json;

use super::{Failure, serve};
use crate::client::{Client, ClientError, check, decode};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Kinds of resources, as numbers of the protocol.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;
/// `ConfigSource` of what nobody set.
const DEFAULT: i8 = 5;
/// Operations of IncrementalAlterConfigs.
const SET: i8 = 0;
const DELETE: i8 = 1;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show settings: those that somebody set, or all.
    #[command(after_help = "Example: kindred config list --topic orders --all")]
    List {
        #[command(flatten)]
        of: Of,
        /// Also those that nobody set.
        #[arg(long)]
        all: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change settings of a running broker, at once and for good.
    #[command(after_help = "Example: kindred config set recommender.models=ease,content")]
    Set {
        #[command(flatten)]
        of: Of,
        /// What to set.
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
    /// Take back what was set while the broker ran.
    #[command(after_help = "Example: kindred config unset --topic orders retention.ms")]
    Unset {
        #[command(flatten)]
        of: Of,
        /// What to take back.
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
}

/// Whose settings.
#[derive(Args, Debug)]
pub(super) struct Of {
    /// Those of a topic; without this and the next, the broker's.
    #[arg(long, value_name = "NAME", conflicts_with = "group")]
    topic: Option<String>,
    /// Those of a consumer group.
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// Where the broker serves Kafka.
    #[arg(long, default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    bootstrap_server: String,
}

impl Of {
    /// Kind and name, for all brokers alike if it is the broker's.
    fn resource(&self) -> (i8, &str) {
        match (&self.topic, &self.group) {
            (Some(topic), _) => (TOPIC, topic),
            (None, Some(group)) => (GROUP, group),
            (None, None) => (BROKER, ""),
        }
    }
}

pub(super) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    let done = async {
        match command {
            ConfigCommand::List { of, all, json } => list(of, *all, *json).await,
            ConfigCommand::Set { of, settings } => {
                let pairs: Result<Vec<_>, Failure> = settings.iter().map(|text| pair(text)).collect();
                alter(of, SET, &pairs?).await
            }
            ConfigCommand::Unset { of, keys } => {
                let keys: Vec<_> = keys.iter().map(|key| (key.as_str(), None)).collect();
                alter(of, DELETE, &keys).await
            }
        }
    };
    serve::runtime()?.block_on(async {
        let late = |_| Failure::runtime(format!("no answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, done).await.map_err(late)?
    })
}

fn pair(text: &str) -> Result<(&str, Option<&str>), Failure> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| Failure::usage(format!("`{text}` is not KEY=VALUE")))?;
    Ok((key.trim(), Some(value)))
}

async fn connect(of: &Of) -> Result<Client, Failure> {
    let address = &of.bootstrap_server;
    let mut found =
        address.to_socket_addrs().map_err(|error| Failure::usage(format!("{address}: {error}")))?;
    let target: SocketAddr =
        found.next().ok_or_else(|| Failure::usage(format!("{address} has no address")))?;
    Client::connect(target).await.map_err(|error| Failure::runtime(format!("{address}: {error}")))
}

/// The message of a refusal, or the code's if there is none.
fn refused(code: i16, message: Option<&str>) -> Result<(), Failure> {
    check(code).map_err(|error| match message.filter(|message| !message.is_empty()) {
        Some(message) => Failure::runtime(message),
        None => Failure::runtime(error),
    })
}

async fn alter(of: &Of, operation: i8, settings: &[(&str, Option<&str>)]) -> Result<(), Failure> {
    let mut client = connect(of).await?;
    let (resource_type, name) = of.resource();
    let configs = settings.iter().map(|&(key, value)| AlterableConfig {
        name: key.into(),
        config_operation: operation,
        value: value.map(Into::into),
    });
    let resource =
        AlterConfigsResource { resource_type, resource_name: name.into(), configs: configs.collect() };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let frame = client.call(&request, 1).await.map_err(Failure::runtime)?;
    let answer: IncrementalAlterConfigsResponse<'_> = decode(&frame, 1).map_err(Failure::runtime)?;
    answer.responses.iter().try_for_each(|one| refused(one.error_code, one.error_message.as_deref()))
}

async fn list(of: &Of, all: bool, as_json: bool) -> Result<(), Failure> {
    let mut client = connect(of).await?;
    let broker = broker_id(&mut client).await.map_err(Failure::runtime)?.to_string();
    let (resource_type, name) = match of.resource() {
        // What is in force is a matter of the one broker.
        (BROKER, _) => (BROKER, broker.as_str()),
        other => other,
    };
    let resource =
        DescribeConfigsResource { resource_type, resource_name: name.into(), configuration_keys: None };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let frame = client.call(&request, 4).await.map_err(Failure::runtime)?;
    let answer: DescribeConfigsResponse<'_> = decode(&frame, 4).map_err(Failure::runtime)?;
    for result in &answer.results {
        refused(result.error_code, result.error_message.as_deref())?;
    }
    let shown = answer.results.iter().flat_map(|result| &result.configs);
    let shown = shown.filter(|setting| all || setting.config_source != DEFAULT);
    if as_json {
        let settings: BTreeMap<&str, _> = shown
            .map(|setting| {
                let source = source(setting.config_source);
                let told = json!({"value": setting.value, "set": source, "read_only": setting.read_only});
                (&*setting.name, told)
            })
            .collect();
        println!("{}", json!(settings));
        return Ok(());
    }
    for setting in shown {
        let value = setting.value.as_deref().unwrap_or(if setting.is_sensitive { "(hidden)" } else { "" });
        println!("{}={value}  ({})", setting.name, source(setting.config_source));
    }
    Ok(())
}

async fn broker_id(client: &mut Client) -> Result<i32, ClientError> {
    let request = DescribeClusterRequest { endpoint_type: 1, ..Default::default() };
    let frame = client.call(&request, 1).await?;
    let answer: DescribeClusterResponse<'_> = decode(&frame, 1)?;
    check(answer.error_code)?;
    Ok(answer.brokers.first().map_or(answer.controller_id, |broker| broker.broker_id))
}

/// Where a value came from, in words.
fn source(code: i8) -> &'static str {
    match code {
        1 => "on the topic",
        2 => "on this broker, while it ran",
        3 => "on all brokers, while they ran",
        4 => "when the broker was started",
        DEFAULT => "default",
        8 => "on the group",
        _ => "elsewhere",
    }
}
