CREATE TABLE "account" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"plan" text NOT NULL,
	"blocked" boolean DEFAULT false NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "agent" (
	"id" text PRIMARY KEY NOT NULL,
	"pool" text NOT NULL,
	"name" text NOT NULL,
	"token_hash" text NOT NULL,
	"capabilities" jsonb,
	"created_at" timestamp with time zone NOT NULL,
	"last_seen_at" timestamp with time zone,
	"revoked_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "api_key" (
	"id" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"name" text NOT NULL,
	"secret_hash" text NOT NULL,
	"scopes" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	"last_used_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "artifact" (
	"job_id" text NOT NULL,
	"index" integer NOT NULL,
	"key" text NOT NULL,
	"content_type" text NOT NULL,
	"bytes" bigint NOT NULL,
	"sha256" text NOT NULL,
	"width" integer,
	"height" integer,
	"duration_s" real,
	"thumbnail_key" text,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "artifact_job_id_index_pk" PRIMARY KEY("job_id","index")
);
--> statement-breakpoint
CREATE TABLE "audit" (
	"id" text PRIMARY KEY NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"target" text NOT NULL,
	"request_id" text,
	"detail" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "identity" (
	"provider" text NOT NULL,
	"subject" text NOT NULL,
	"account_id" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "identity_provider_subject_pk" PRIMARY KEY("provider","subject")
);
--> statement-breakpoint
CREATE TABLE "job" (
	"id" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"api_key_id" text,
	"request_id" text NOT NULL,
	"type" text NOT NULL,
	"model" text NOT NULL,
	"tier" text NOT NULL,
	"status" text NOT NULL,
	"sequence" integer NOT NULL,
	"attempt" integer NOT NULL,
	"agent_id" text,
	"spec" jsonb NOT NULL,
	"metadata" jsonb NOT NULL,
	"held_millitokens" bigint NOT NULL,
	"settled_millitokens" bigint,
	"day" date NOT NULL,
	"usage" jsonb NOT NULL,
	"timings" jsonb,
	"error" jsonb,
	"created_at" timestamp (3) with time zone NOT NULL,
	"queued_at" timestamp (3) with time zone,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	"cancel_requested_at" timestamp (3) with time zone,
	"deadline_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "ledger_entry" (
	"job_id" text NOT NULL,
	"kind" text NOT NULL,
	"account_id" text NOT NULL,
	"debit" text NOT NULL,
	"credit" text NOT NULL,
	"millitokens" bigint NOT NULL,
	"day" date NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "ledger_entry_job_id_kind_pk" PRIMARY KEY("job_id","kind")
);
--> statement-breakpoint
CREATE TABLE "link_code" (
	"code_hash" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "session" (
	"id_hash" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "usage" (
	"job_id" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"api_key_id" text,
	"day" date NOT NULL,
	"type" text NOT NULL,
	"model" text NOT NULL,
	"millitokens" bigint NOT NULL,
	"service_ms" bigint NOT NULL,
	"completion_tokens" integer,
	"audio_s" real
);
--> statement-breakpoint
CREATE TABLE "webhook" (
	"id" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"url" text NOT NULL,
	"events" jsonb NOT NULL,
	"secret_hash" text NOT NULL,
	"disabled" boolean DEFAULT false NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "api_key_account_id_index" ON "api_key" USING btree ("account_id");--> statement-breakpoint
CREATE INDEX "artifact_expires_at_index" ON "artifact" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "audit_actor_created_at_index" ON "audit" USING btree ("actor","created_at");--> statement-breakpoint
CREATE INDEX "audit_target_index" ON "audit" USING btree ("target");--> statement-breakpoint
CREATE INDEX "identity_account_id_index" ON "identity" USING btree ("account_id");--> statement-breakpoint
CREATE INDEX "job_account_id_id_index" ON "job" USING btree ("account_id","id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "job_finished_at_index" ON "job" USING btree ("finished_at");--> statement-breakpoint
CREATE INDEX "ledger_entry_account_id_day_index" ON "ledger_entry" USING btree ("account_id","day");--> statement-breakpoint
CREATE INDEX "session_account_id_index" ON "session" USING btree ("account_id");--> statement-breakpoint
CREATE INDEX "usage_account_id_day_index" ON "usage" USING btree ("account_id","day");--> statement-breakpoint
CREATE INDEX "webhook_account_id_index" ON "webhook" USING btree ("account_id");