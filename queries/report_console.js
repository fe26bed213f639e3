// Answers SQL in the page of a report, by DuckDB in a worker of the browser. Nothing is fetched:
// engine.js holds DuckDB and Arrow, tables.js the tables, and both are read when the console starts.
(function () {
  "use strict";

  const ROWS = 200;
  const $ = (id) => document.getElementById(id);
  const start = $("console-start"), box = $("console-sql"), run = $("console-run");
  const state = $("console-state"), output = $("console-answer");
  let connection = null;

  start.addEventListener("click", async () => {
    start.disabled = true;
    state.textContent = "DuckDB starts ...";
    try {
      await load("console/engine.js");
      await load("console/tables.js");
      connection = await opened();
      start.hidden = true;
      box.disabled = run.disabled = false;
      await answer();
    } catch (error) {
      start.disabled = false;
      state.textContent = "The console did not start: " + error.message;
    }
  });
  run.addEventListener("click", answer);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) answer();
  });

  // A page that was opened from the disk may not fetch files, but it may run scripts beside it.
  function load(address) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = () => reject(new Error(address + " is not beside this page"));
      document.head.append(script);
    });
  }

  async function opened() {
    // A worker of such a page may not fetch either, so its program holds DuckDB, packed.
    const first =
      `self.fetch = async () => new Response((${unpacked})("${WEIR.wasm}"), ` +
      `{headers: {"Content-Type": "application/wasm"}});\n` +
      // DuckDB-WASM waits forever for a program that could not be made.
      `self.addEventListener("unhandledrejection", (event) => {\n` +
      `  setTimeout(() => { throw event.reason; });\n});\n`;
    const program = await new Response(unpacked(WEIR.worker)).text();
    const source = new Blob([first, program], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(source));
    const database = new duckdb.AsyncDuckDB(new duckdb.VoidLogger(), worker);
    const failed = new Promise((_, reject) => {
      worker.addEventListener("error", (event) => reject(new Error(event.message)));
    });
    // The address is a whole one, as a worker without a place of its own knows no other.
    await Promise.race([database.instantiate("file:///duckdb.wasm"), failed]);
    const opened = await database.connect();
    for (const [name, packed] of Object.entries(WEIR.tables)) {
      const bytes = await new Response(unpacked(packed)).arrayBuffer();
      await opened.insertArrowFromIPCStream(new Uint8Array(bytes), { name, create: true });
    }
    // Without these DuckDB would look for what it lacks in the network, and wait.
    await opened.query("SET autoinstall_known_extensions = false");
    await opened.query("SET autoload_known_extensions = false");
    await opened.query("SET enable_external_access = false");
    return opened;
  }

  // The bytes of a text of base64 and gzip, as a stream.
  function unpacked(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  }

  async function answer() {
    const text = box.value.trim().replace(/;+$/, "");
    if (!connection || !text) return;
    run.disabled = true;
    state.textContent = "Asking ...";
    try {
      // As text, in DuckDB's own writing, whatever the type is.
      show(await connection.query(`SELECT COLUMNS(*)::VARCHAR FROM (${text}\n) LIMIT ${ROWS + 1}`));
    } catch (error) {
      output.replaceChildren();
      state.textContent = error.message;
    }
    run.disabled = false;
  }

  function show(answered) {
    const names = answered.schema.fields.map((field) => field.name);
    const rows = [];
    for (let place = 0; place < answered.numRows; place++) {
      rows.push(names.map((_, column) => answered.getChildAt(column).get(place) ?? "-"));
    }
    const table = document.createElement("table");
    line(table.createTHead().insertRow(), names, "th");
    const body = table.createTBody();
    for (const row of rows.slice(0, ROWS)) line(body.insertRow(), row, "td");
    output.replaceChildren(table);
    state.textContent = `${rows.length} ${rows.length === 1 ? "row" : "rows"}.`;
    if (rows.length > ROWS) {
      state.textContent = `The first ${ROWS} rows. Add a LIMIT or an aggregate.`;
    }
  }

  function line(row, cells, kind) {
    for (const cell of cells) {
      const element = document.createElement(kind);
      element.textContent = cell;
      row.append(element);
    }
  }
})();
