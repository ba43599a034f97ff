CREATE TABLE "gallery_entry" (
	"job_id" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"type" text NOT NULL,
	"model" text NOT NULL,
	"prompt" text,
	"published_at" timestamp (3) with time zone NOT NULL,
	"removed_at" timestamp (3) with time zone,
	"removed_reason" text
);
--> statement-breakpoint
ALTER TABLE "account" ADD COLUMN "plan_ends_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "account" ADD COLUMN "block_reason" text;--> statement-breakpoint
CREATE INDEX "gallery_entry_published_at_job_id_index" ON "gallery_entry" USING btree ("published_at" DESC NULLS LAST,"job_id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "audit_created_at_id_index" ON "audit" USING btree ("created_at" DESC NULLS LAST,"id" DESC NULLS LAST);