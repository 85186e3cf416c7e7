import { createHash } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vite";

const OUT = "../src/dreamsampler/interfaces/studio/static";

/** The hash of all sources, by which a test finds out that the built page is stale. */
function sources(): string {
  const files = readdirSync("src", { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).replaceAll("\\", "/"));
  const hash = createHash("sha256");
  for (const name of [...files, "index.html", "package-lock.json"].sort()) {
    hash.update(`${name}\n`).update(readFileSync(name));
  }
  return hash.digest("hex");
}

export default defineConfig({
  base: "/static/",
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
    assetsInlineLimit: 0,
  },
  plugins: [
    {
      name: "beside the page",
      apply: "build", // not when tests run
      closeBundle() {
        writeFileSync(`${OUT}/sources.sha256`, `${sources()}\n`);
        copyFileSync("node_modules/three/LICENSE", `${OUT}/three-LICENSE.txt`);
      },
    },
  ],
  server: { proxy: { "/api": "http://127.0.0.1:7860" } },
});
