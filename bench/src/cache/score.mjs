// Judges results by the suite's own rules; run in its folder. One JSON list: id, kind, verdict, detail.
import fs from 'fs'
import suites from './tests/index.mjs'
import surrogate from './tests/surrogate-control.mjs'
import { determineTestResult } from './lib/display.mjs'

const results = JSON.parse(fs.readFileSync(process.argv[2]))
const names = {
  '✅': 'pass', '⛔️': 'fail', '⚠️': 'fail', Y: 'yes', N: 'no', '🔹': 'setup', '⁉️': 'harness', '⚪️': 'depends', '↻': 'setup', '-': 'untested'
}
const all = [...suites, surrogate]
const out = all.flatMap(suite => suite.tests.filter(t => !t.browser_only).map(test => ({
  id: test.id,
  kind: suite === surrogate ? 'surrogate' : test.kind || 'required',
  verdict: names[determineTestResult(all, test.id, results)[2]],
  detail: results[test.id] === true ? '' : String((results[test.id] || [])[1] || '')
})))
console.log(JSON.stringify(out))
