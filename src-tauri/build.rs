//! Tells Tauri which commands there are, so that the capabilities can name each.

/// The commands of `commands.rs`.
const COMMANDS: &[&str] = &[
    "add",
    "answer_pairing",
    "ask",
    "block",
    "create_group",
    "decide",
    "invite",
    "join_group",
    "leave_group",
    "look_at_server",
    "open_folder",
    "pair",
    "pause",
    "pause_all",
    "pick_folder",
    "quit",
    "remove",
    "remove_friend",
    "remove_rule",
    "resume",
    "resume_all",
    "rotate_group",
    "set_lending",
    "set_meeting",
    "set_never_hosts",
    "set_rule",
    "speak",
    "stop_helping",
    "take_link",
    "unblock",
    "view",
    "watch",
    "welcome",
];

fn main() {
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/**/*")
        .app_manifest(tauri_build::AppManifest::new().commands(COMMANDS));
    if let Err(error) = tauri_build::try_build(attributes) {
        println!("cargo::error={error:#}");
    }
}
