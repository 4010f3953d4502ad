#!/usr/bin/env node
import { main } from './main.js'

// A module under test may leave a timer or a socket open.
process.exit(
  await main(process.argv.slice(2), {
    cwd: process.cwd(),
    print: (text) => void process.stdout.write(`${text}\n`),
    printError: (text) => void process.stderr.write(`${text}\n`),
  }),
)
