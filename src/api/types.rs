//! From a use case type's name (or an instance's id alone) to the object that owns it.
//!
//! What an isolate knows of types it may keep: the object itself says when its type is gone, and then the name is looked up
//! anew. So a cached look-up can be late, but never wrong.

use std::cell::RefCell;

use super::cache::{Cache, remember};
use super::{Context, now_ms, storage_failed};
use crate::aggregator::client;
use crate::aggregator::protocol::{Address, Call, Command, Reply};
use crate::aggregator::trouble::overloaded;
use crate::config::OBJECT_PAUSE_MS;
use crate::domain::names::{InstanceId, UseCaseName};
use crate::domain::refusal::{Code, Refusal, shown};
use crate::storage::definitions::{UseCaseType, find_type};
use crate::storage::instances;

/// Look-ups an isolate remembers.
const CACHED_MAX: usize = 20_000;

type Key = (i64, String);

thread_local! {
    /// By application and name.
    static TYPES: Cache<Key, Address> = RefCell::default();
    /// By application and instance id: the type's name.
    static INSTANCES: Cache<Key, String> = RefCell::default();
    /// Types whose objects had no room, by application and name, and until when those are not asked.
    static PAUSED: Cache<Key, i64> = RefCell::default();
}

/// Refuses what would write to a type whose object had no room a moment ago: its body need not be read for that.
pub fn check_room(application_no: i64, use_case_name: Option<&str>, now_ms: i64) -> Result<(), Refusal> {
    let until_ms = PAUSED.with_borrow(|paused| {
        let name = use_case_name.filter(|_| !paused.is_empty())?;
        paused.get(&(application_no, name.to_owned())).copied()
    });
    if until_ms.is_some_and(|until_ms| now_ms < until_ms) { Err(overloaded()) } else { Ok(()) }
}

impl Context<'_> {
    /// The use case name in the path.
    pub fn use_case_name(&self) -> Result<UseCaseName, Refusal> {
        parse_use_case_name(self.parameters.use_case_name.as_deref().unwrap_or_default())
    }

    /// The instance id in the path.
    pub fn use_case_id(&self) -> Result<InstanceId, Refusal> {
        parse_instance_id(self.parameters.use_case_id.as_deref().unwrap_or_default())
    }

    /// The KPI (name or id) in the path.
    pub fn kpi(&self) -> String {
        self.parameters.kpi.clone().unwrap_or_default()
    }

    /// The type in the path, read anew.
    pub async fn use_case_type(&self) -> Result<UseCaseType, Refusal> {
        let name = self.use_case_name()?;
        find_type(&self.database, self.caller.application_no, name.as_str())
            .await
            .map_err(storage_failed)?
            .ok_or_else(|| use_case_not_found(name.as_str()))
    }

    /// Has the object that owns the named type carry a command out.
    pub async fn command(&self, name: &str, command: Command) -> Reply {
        let key = (self.caller.application_no, name.to_owned());
        let cached = TYPES.with_borrow(|types| types.get(&key).cloned());
        if let Some(address) = cached {
            match self.call(address, command.clone()).await {
                Err(refusal) if refusal.code == Code::UseCaseNotFound => forget_type(&key),
                Err(refusal) if refusal.code == Code::Overloaded => {
                    remember(&PAUSED, key, now_ms() + OBJECT_PAUSE_MS, CACHED_MAX);
                    return Err(refusal);
                }
                reply => return reply,
            }
        }
        let address = self.look_up(&key).await?;
        match self.call(address, command).await {
            Err(refusal) if refusal.code == Code::UseCaseNotFound => {
                forget_type(&key);
                Err(use_case_not_found(name))
            }
            reply => reply,
        }
    }

    /// Has the object that owns an instance carry a command out: of the type in the path, or (G1, G2) of the type that the
    /// instance is found under.
    pub async fn instance_command(&self, use_case_id: &InstanceId, command: Command) -> Reply {
        if self.parameters.use_case_name.is_some() {
            return self.command(self.use_case_name()?.as_str(), command).await;
        }
        let key = (self.caller.application_no, use_case_id.as_str().to_owned());
        if let Some(name) = INSTANCES.with_borrow(|instances| instances.get(&key).cloned()) {
            match self.command(&name, command.clone()).await {
                Err(refusal) if is_about_the_instance(refusal.code) => {
                    INSTANCES.with_borrow_mut(|instances| instances.remove(&key));
                }
                reply => return reply,
            }
        }
        let name = self.find_instance(use_case_id).await?.use_case_name;
        remember(&INSTANCES, key, name.clone(), CACHED_MAX);
        self.command(&name, command).await
    }

    /// Forgets under which type an instance was found. False if nothing was remembered.
    pub fn forget_instance(&self, use_case_id: &InstanceId) -> bool {
        let key = (self.caller.application_no, use_case_id.as_str().to_owned());
        INSTANCES.with_borrow_mut(|instances| instances.remove(&key)).is_some()
    }

    /// The instance in the path: on the G3 path it must be of the type named there.
    pub async fn find_instance(&self, use_case_id: &InstanceId) -> Result<instances::Instance, Refusal> {
        let missing = || crate::aggregator::plan::not_found(use_case_id.as_str());
        let found = instances::find(&self.database, self.caller.application_no, use_case_id.as_str())
            .await
            .map_err(storage_failed)?;
        if self.parameters.use_case_name.is_none() {
            return found.ok_or_else(missing);
        }
        let name = self.use_case_name()?;
        match found.filter(|instance| instance.use_case_name == name.as_str()) {
            Some(instance) => Ok(instance),
            // Either the type or the instance is missing; say which.
            None => self.use_case_type().await.and_then(|_| Err(missing())),
        }
    }

    async fn look_up(&self, key: &Key) -> Result<Address, Refusal> {
        let found = find_type(&self.database, key.0, &key.1).await.map_err(storage_failed)?;
        let found = found.ok_or_else(|| use_case_not_found(&key.1))?;
        let address = address_of(&found);
        remember(&TYPES, key.clone(), address.clone(), CACHED_MAX);
        Ok(address)
    }

    /// Has a known object carry a command out.
    pub async fn call(&self, address: Address, command: Command) -> Reply {
        self.cost.object_calls.set(self.cost.object_calls.get() + 1);
        let call = Call { address, now_ms: self.now_ms, request_id: self.request_id.clone(), command };
        client::call(self.env, &call).await
    }
}

pub fn address_of(found: &UseCaseType) -> Address {
    Address { type_no: found.type_no, object_name: found.object_name.clone() }
}

pub fn parse_use_case_name(text: &str) -> Result<UseCaseName, Refusal> {
    UseCaseName::parse(text).map_err(|invalid| {
        Refusal::new(Code::InvalidUseCaseName, format!("use case name {}: {}", shown(text), invalid.0))
    })
}

pub fn parse_instance_id(text: &str) -> Result<InstanceId, Refusal> {
    InstanceId::parse(text).map_err(|invalid| {
        Refusal::new(Code::InvalidUseCaseId, format!("use_case_id {}: {}", shown(text), invalid.0))
    })
}

pub fn use_case_not_found(name: &str) -> Refusal {
    Refusal::new(Code::UseCaseNotFound, format!("there is no use case {}", shown(name)))
}

fn is_about_the_instance(code: Code) -> bool {
    matches!(code, Code::UseCaseInstanceNotFound | Code::UseCaseNotFound | Code::InstanceInOtherUseCase)
}

fn forget_type(key: &Key) {
    TYPES.with_borrow_mut(|types| types.remove(key));
}
