#!/usr/bin/env bash
# @aws-sdk/client-s3 3.1173.0 writes into the credentials object that it is given: the first request adds a property `$source` to the
# caller's own object. Whoever validates that object strictly afterwards, compares it, or hands it to something else that does, is
# surprised; and with a frozen object (a constant of a configuration, say) every request fails with a TypeError before anything is sent.
# Passing a copy, { ...credentials }, avoids both. Nothing listens at the address: signing is enough to see it.
#
# Needs Node.js 22 or newer and npm.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund @aws-sdk/client-s3@3.1173.0

cat > run.mjs <<'JS'
import { S3Client, HeadBucketCommand } from '@aws-sdk/client-s3'

async function request(credentials) {
  const client = new S3Client({
    region: 'us-east-1',
    endpoint: 'http://127.0.0.1:9',
    maxAttempts: 1,
    credentials,
  })
  const error = await client.send(new HeadBucketCommand({ Bucket: 'none' })).catch((error) => {
    console.log('request:', error.name, error.code ?? error.message)
    return error
  })
  return { keys: Object.keys(credentials), error }
}

const pair = { accessKeyId: 'id', secretAccessKey: 'secret' }
const mine = { ...pair }
console.log('before:', Object.keys(mine).join(', '))
const after = await request(mine)
console.log('after:', after.keys.join(', '), JSON.stringify(mine.$source))
const frozen = await request(Object.freeze({ ...pair }))
console.log('frozen:', frozen.keys.join(', '))
if (!after.keys.includes('$source') || !(frozen.error instanceof TypeError)) {
  console.error('changed: the object that is passed is left alone, or a frozen one works')
  process.exitCode = 1
}
JS
node run.mjs
