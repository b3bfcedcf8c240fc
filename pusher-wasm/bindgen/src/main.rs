//! Writes the JavaScript that a WebAssembly module needs, and the module that it loads.

use std::env;

use anyhow::bail;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let (Some(module), Some(folder)) = (args.next(), args.next()) else { bail!("usage: bindgen MODULE.wasm FOLDER") };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).web(true)?.omit_default_module_path(false).typescript(false);
    bindgen.remove_name_section(true).remove_producers_section(true).generate(folder)
}
