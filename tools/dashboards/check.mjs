// Checks dashboards/*.json against Grafana's own types with the TypeScript compiler: every key known, every value of its
// kind, panel options and field options by type of panel. `--in DIR` checks the files there instead. The types and the
// compiler are installed by npm, by package name, into a cache outside the checkout.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const pinned = JSON.parse(readFileSync(join(here, "package.json"), "utf8")).dependencies;
const option = process.argv.indexOf("--in");
const folder = option < 0 ? resolve(here, "..", "..", "dashboards") : resolve(process.argv[option + 1]);
const kinds = {
  bargauge: "BarGauge",
  heatmap: "Heatmap",
  stat: "Stat",
  statetimeline: "StateTimeline",
  table: "Table",
  timeseries: "TimeSeries",
};
const withFields = ["heatmap", "statetimeline", "table", "timeseries"];
const pluginTypes = { "state-timeline": "statetimeline" };

function modules() {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "ledger-bench", `grafana-schema-${pinned["@grafana/schema"]}`);
  const current = Object.entries(pinned).every(([name, version]) => {
    const installed = join(cache, "node_modules", name, "package.json");
    return existsSync(installed) && JSON.parse(readFileSync(installed, "utf8")).version === version;
  });
  if (!current) {
    mkdirSync(cache, { recursive: true });
    copyFileSync(join(here, "package.json"), join(cache, "package.json"));
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", cache], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  return join(cache, "node_modules");
}

// JSON holds the values of enums, not their names: `Plain` is a type with every enum replaced by its values.
const prelude = `
import type * as g from "@grafana/schema";
${Object.entries(kinds)
  .map(([kind, name]) => `import type * as ${kind} from "@grafana/schema/dist/esm/raw/composable/${kind}/panelcfg/x/${name}PanelCfg_types.gen";`)
  .join("\n")}
type Plain<T> = T extends string ? \`\${T}\` : T extends number | boolean | null | undefined ? T
  : T extends (infer U)[] ? Plain<U>[] : unknown extends T ? T : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Query = { datasource: g.DataSourceRef; expr: string; format: "time_series" | "table" | "heatmap"; instant: boolean;
  range: boolean; legendFormat?: string; refId: string };
type Shown<O, F> = Omit<Plain<g.Panel>, "options" | "fieldConfig" | "targets"> & { options: Plain<O>; targets: Query[];
  fieldConfig: { defaults: Omit<Plain<g.FieldConfig>, "custom"> & { custom?: Plain<Partial<F>> };
    overrides: Plain<g.FieldConfigSource["overrides"]> } };
// What the data source's own code reads, and the shared types leave out.
type Asked = Omit<Plain<g.AnnotationQuery>, "target"> & { textFormat?: string; titleFormat?: string; useValueForTime?: boolean;
  target?: { limit: number; matchAny: boolean; tags: string[]; type: "tags" }
    | { datasource: g.DataSourceRef; expr: string; interval: string; instant: boolean; range: boolean; refId: string } };
type Chosen = Plain<g.VariableModel> & { auto?: boolean; auto_count?: number; auto_min?: string; definition?: string };
type Frame = Omit<Plain<g.Dashboard>, "panels" | "annotations" | "templating"> & { annotations: { list: Asked[] };
  templating: { list: Chosen[] } };
type RowOnly = Plain<g.RowPanel>;
`;

function written(dashboard) {
  const { panels, ...frame } = dashboard;
  const parts = [`export const frame: Frame = ${JSON.stringify(frame, null, 1)};`];
  for (const panel of panels.flatMap((one) => [one, ...(one.panels ?? [])])) {
    const kind = pluginTypes[panel.type] ?? panel.type;
    if (panel.type !== "row" && !(kind in kinds)) throw new Error(`panel ${panel.id}: no types for ${panel.type}`);
    const type = panel.type === "row" ? "RowOnly" : `Shown<${kind}.Options, ${withFields.includes(kind) ? `${kind}.FieldConfig` : "{}"}>`;
    parts.push(`export const panel${panel.id}: ${type} = ${JSON.stringify(panel, null, 1)};`);
  }
  return prelude + parts.join("\n") + "\n";
}

const where = mkdtempSync(join(tmpdir(), "dashboards-"));
try {
  const installed = modules();
  symlinkSync(installed, join(where, "node_modules"));
  const files = readdirSync(folder).filter((file) => file.endsWith(".json")).sort();
  if (files.length === 0) throw new Error(`no dashboards in ${folder}`);
  for (const file of files) {
    writeFileSync(join(where, file.replace(".json", ".ts")), written(JSON.parse(readFileSync(join(folder, file), "utf8"))));
  }
  const compiler = join(installed, "typescript", "bin", "tsc");
  const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022"];
  execFileSync(process.execPath, [compiler, ...flags, ...files.map((file) => file.replace(".json", ".ts"))], { cwd: where, stdio: "inherit" });
  process.stdout.write(`${files.length} dashboards are as @grafana/schema ${pinned["@grafana/schema"]} types them\n`);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(where, { recursive: true });
}
